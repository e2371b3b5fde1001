//! A connection for the keys of one lane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, RedisError, Value};

use super::address::ServerPlace;
use super::fault::{RedisFault, RedisFaultKind, moved_to};
use super::keys::KeySpace;
use super::options::RedisOptions;
use crate::retry_waits::RetryWaits;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take, in addition to the time that a command waits on purpose.
const ANSWER: Duration = Duration::from_secs(5);

/// The longest waits before the first new attempt and before any. The latter isn't shorter because a whole fleet asks a
/// Redis that comes back.
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// How often one request is sent at most: a cluster that keeps redirecting it is still changing.
const MOST_MOVES: usize = 3;

/// The waits before Redis is asked again after a failure.
#[must_use]
pub fn retry_waits() -> RetryWaits {
    let [first, longest] = RETRY;
    RetryWaits::new(first, longest)
}

/// How long servers are looked for at once: readers that hang for longer count as dead.
const LONGEST_SEARCH: Duration = Duration::from_secs(10);

/// How long a replica is used before the primary is looked for again.
const REPLICA_USED: Duration = Duration::from_secs(30);

/// A connection to the server that has the keys of one lane. It is opened when it is needed, follows the cluster when
/// keys move, and turns to another server of the address when one fails. Of several, a primary is preferred: a replica
/// may have lost its own, and takes nothing.
#[derive(Debug)]
pub struct RedisLane {
    options: Arc<RedisOptions>,
    /// Where the cluster says that the keys are.
    moved: Option<ServerPlace>,
    connection: Option<LaneConnection>,
    patience: Duration,
}

#[derive(Debug, Clone)]
struct LaneConnection {
    place: ServerPlace,
    /// The turn of the address's servers that it took.
    turn: usize,
    /// Until when it is used, if the server is a replica.
    until: Option<Instant>,
    commands: MultiplexedConnection,
}

impl RedisLane {
    /// A lane, not yet connected. Its commands wait on purpose for at most `block`.
    #[must_use]
    pub fn new(options: Arc<RedisOptions>, block: Duration) -> Self {
        Self {
            options,
            moved: None,
            connection: None,
            patience: block + ANSWER,
        }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &KeySpace {
        &self.options.keys
    }

    /// The server in use, or the next one.
    fn place(&self) -> ServerPlace {
        let connected = self.connection.as_ref().map(|it| &it.place);
        let known = connected.or(self.moved.as_ref());
        let next = || self.options.place(self.options.turn.get().turn);
        known.map_or_else(next, Clone::clone)
    }

    /// Closes the connection. Whatever was asked and not answered is in doubt.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends commands, and reads what they return. They are sent again where the keys have moved to.
    ///
    /// # Errors
    /// When no server could be asked, or one refused. It is disconnected then, unless the server merely refused an id.
    pub(super) async fn ask<T: FromRedisValue>(
        &mut self,
        commands: &Pipeline,
    ) -> Result<T, RedisFault> {
        for _ in 0..MOST_MOVES {
            match self.ask_once(commands).await {
                Err(fault) if fault.kind == RedisFaultKind::Moved => {}
                answer => return answer,
            }
        }
        let place = self.place().to_string();
        Err(RedisFault::odd(&place, "the cluster keeps moving the keys"))
    }

    /// The same, but fails where the keys have moved: the next server need not have all that this one had.
    pub(super) async fn ask_once<T: FromRedisValue>(
        &mut self,
        commands: &Pipeline,
    ) -> Result<T, RedisFault> {
        let used = self.connected().await?;
        match commands.query_async(&mut used.commands.clone()).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(match moved_to(&error) {
                Some((host, port)) => self.follow(&used.place, host, port),
                None => self.failed(error, &used),
            }),
        }
    }

    async fn connected(&mut self) -> Result<LaneConnection, RedisFault> {
        let now = Instant::now();
        let is_usable = |it: &&LaneConnection| it.until.is_none_or(|until| now < until);
        if let Some(connection) = self.connection.as_ref().filter(is_usable) {
            return Ok(connection.clone());
        }
        let connection = match self.moved.take() {
            // If that fails, the servers of the address are asked again.
            Some(place) => {
                let connection = self.open(&place, self.options.turn.get().turn).await?;
                self.moved = Some(place);
                connection
            }
            None => self.search().await?,
        };
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    /// A primary among the servers of the address, or else a replica.
    async fn search(&self) -> Result<LaneConnection, RedisFault> {
        let (began, first) = (Instant::now(), self.options.turn.get());
        let is_enough = first.until.is_some_and(|until| began < until);
        let (mut replica, mut failed) = (None, None);
        for turn in (0..self.options.servers()).map(|nth| first.turn.wrapping_add(nth)) {
            if LONGEST_SEARCH < began.elapsed() {
                self.options.turn.set(turn, None);
                break;
            }
            match self.probe(turn).await {
                Ok((found, is_primary)) if is_primary || is_enough => {
                    let until = first.until.filter(|_| !is_primary);
                    self.options.turn.set(turn, until);
                    return Ok(LaneConnection { until, ..found });
                }
                Ok((found, _)) => replica = replica.or(Some(found)),
                Err(fault) => failed = failed.or(Some(fault)),
            }
        }
        let Some(replica) = replica else {
            return Err(failed.unwrap_or_else(|| RedisFault::odd("", "there is no server")));
        };
        let until = Some(Instant::now() + REPLICA_USED);
        self.options.turn.set(replica.turn, until);
        Ok(LaneConnection { until, ..replica })
    }

    /// Connects to one of the servers of the address. Also returns whether it is a primary.
    async fn probe(&self, turn: usize) -> Result<(LaneConnection, bool), RedisFault> {
        let place = self.options.place(turn);
        if self.options.servers() == 1 {
            return Ok((self.open(&place, turn).await?, true));
        }
        let probed = tokio::time::timeout(CONNECT, async {
            let found = self.open(&place, turn).await?;
            let is_primary = is_primary(found.commands.clone()).await;
            let is_primary =
                is_primary.map_err(|error| RedisFault::of(error, &place.to_string()))?;
            Ok((found, is_primary))
        });
        let late = |_| RedisFault::odd(&place.to_string(), "no answer in time");
        probed.await.map_err(late)?
    }

    async fn open(&self, place: &ServerPlace, turn: usize) -> Result<LaneConnection, RedisFault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(self.patience));
        let client = self.options.client(place)?;
        let opened = client.get_multiplexed_async_connection_with_config(&config);
        let commands = opened
            .await
            .map_err(|error| RedisFault::of(error, &place.to_string()))?;
        Ok(LaneConnection {
            place: place.clone(),
            turn,
            until: None,
            commands,
        })
    }

    /// Turns to the server where the keys of the lane are now.
    fn follow(&mut self, from: &ServerPlace, host: String, port: u16) -> RedisFault {
        self.connection = None;
        let host = match from {
            // A node that doesn't know its own address leaves it out.
            ServerPlace::Tcp(same, _) if host.is_empty() || host == "?" => same.clone(),
            _ => host,
        };
        self.moved = Some(ServerPlace::Tcp(host, port));
        RedisFault::moved(&from.to_string())
    }

    /// A key that this lane has written is gone.
    pub(super) fn lost_key(&self) -> RedisFault {
        RedisFault::lost_key(&self.place().to_string())
    }

    /// Gives up a connection, and turns to the next server.
    fn failed(&mut self, error: RedisError, used: &LaneConnection) -> RedisFault {
        let fault = RedisFault::of(error, &used.place.to_string());
        if fault.kind == RedisFaultKind::Temporary {
            self.connection = None;
            if self.moved.take().is_none() {
                self.options.turn.pass(used.turn);
            }
        }
        fault
    }
}

/// Whether a server is a primary. One that doesn't say so counts as one: an access list need not allow the question.
///
/// # Errors
/// When it answers nothing yet, because it is still loading, for example.
async fn is_primary(mut commands: MultiplexedConnection) -> Result<bool, RedisError> {
    let is_allowed = |error: &RedisError| error.code() != Some("NOPERM");
    let alive: Result<Value, _> = redis::cmd("PING").query_async(&mut commands).await;
    if let Err(error) = alive
        && is_allowed(&error)
    {
        return Err(error);
    }
    let asked: Result<Vec<Value>, _> = redis::cmd("ROLE").query_async(&mut commands).await;
    let role = asked.ok().and_then(|said| said.into_iter().next());
    let role = role.and_then(|role| String::from_redis_value(role).ok());
    Ok(role.is_none_or(|role| role == "master"))
}
