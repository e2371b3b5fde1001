//! A connection for the keys of one lane.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, RedisError};

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

/// A connection to the server that has the keys of one lane. It is opened when it is needed, follows the cluster when
/// keys move, and turns to the next server of the address when one fails.
#[derive(Debug)]
pub struct RedisLane {
    options: Arc<RedisOptions>,
    /// Which server of the address is used.
    turn: usize,
    /// Where the cluster says that the keys are.
    moved: Option<ServerPlace>,
    connection: Option<MultiplexedConnection>,
    patience: Duration,
}

impl RedisLane {
    /// A lane, not yet connected. Its commands wait on purpose for at most `block`.
    #[must_use]
    pub fn new(options: Arc<RedisOptions>, block: Duration) -> Self {
        Self {
            options,
            turn: 0,
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

    /// The server in use.
    fn place(&self) -> ServerPlace {
        let turn = self.turn % self.options.servers();
        let place = self.moved.as_ref();
        place.unwrap_or(&self.options.address.places[turn]).clone()
    }

    /// Closes the connection. Whatever was asked and not answered is in doubt.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends commands, and reads what they return.
    ///
    /// # Errors
    /// When no server could be asked, or one refused. It is disconnected then, unless the server merely refused an id.
    pub(super) async fn ask<T: FromRedisValue>(
        &mut self,
        commands: &Pipeline,
    ) -> Result<T, RedisFault> {
        for _ in 0..MOST_MOVES {
            let place = self.place();
            let mut connection = match &self.connection {
                Some(connection) => connection.clone(),
                None => self.connect(&place).await?,
            };
            match commands.query_async(&mut connection).await {
                Ok(answer) => return Ok(answer),
                Err(error) => match moved_to(&error) {
                    Some((host, port)) => self.follow(&place, host, port),
                    None => return Err(self.failed(error, &place)),
                },
            }
        }
        let place = self.place().to_string();
        Err(RedisFault::odd(&place, "the cluster keeps moving the keys"))
    }

    async fn connect(&mut self, place: &ServerPlace) -> Result<MultiplexedConnection, RedisFault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(self.patience));
        let client = self.options.client(place)?;
        let opened = client.get_multiplexed_async_connection_with_config(&config);
        match opened.await {
            Ok(connection) => {
                self.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => Err(self.failed(error, place)),
        }
    }

    /// Turns to the server where the keys of the lane are now.
    fn follow(&mut self, from: &ServerPlace, host: String, port: u16) {
        self.connection = None;
        let host = match from {
            // A node that doesn't know its own address leaves it out.
            ServerPlace::Tcp(same, _) if host.is_empty() || host == "?" => same.clone(),
            _ => host,
        };
        self.moved = Some(ServerPlace::Tcp(host, port));
    }

    /// A key that this lane has written is gone.
    pub(super) fn lost_key(&self) -> RedisFault {
        RedisFault::lost_key(&self.place().to_string())
    }

    /// Gives up a connection, and turns to the next server.
    fn failed(&mut self, error: RedisError, place: &ServerPlace) -> RedisFault {
        let fault = RedisFault::of(error, &place.to_string());
        if fault.kind == RedisFaultKind::Temporary {
            self.connection = None;
            if self.moved.take().is_none() {
                self.turn = self.turn.wrapping_add(1);
            }
        }
        fault
    }
}
