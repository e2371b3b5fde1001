//! Flags for Redis.

use std::path::PathBuf;

use clap::Args;

use crate::redis::{
    DEFAULT_PREFIX, KeySpace, RedisAddress, RedisOptions, RedisPassword, ServerTurn,
    read_authorities,
};

/// Flags of `serve` and `replay`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis")]
pub struct RedisArgs {
    /// Also publish to this Redis, for relays: redis://HOST:PORT
    ///
    /// With TLS: rediss://HOST:PORT. Over a socket: redis+unix:///PATH. A primary and its replicas, or several nodes of
    /// a Redis Cluster: redis://A:PORT,B:PORT. Redis keeps messages for as long as --retain says.
    // Not parsed by clap, whose errors repeat the value: it may hold a secret.
    #[arg(long, value_name = "URL")]
    publish: Option<String>,

    /// Log in to Redis with the password in this file
    #[arg(long, value_name = "FILE")]
    redis_password_file: Option<PathBuf>,

    /// Trust this CA for Redis, in PEM, instead of the system's
    #[arg(long, value_name = "FILE")]
    redis_ca_cert: Option<PathBuf>,

    /// Begin all keys in Redis with this
    #[arg(long, value_name = "PREFIX", default_value = DEFAULT_PREFIX, value_parser = KeySpace::new)]
    redis_prefix: KeySpace,
}

impl RedisArgs {
    /// The Redis to publish to, if one is given.
    ///
    /// # Errors
    /// One line that says what is wrong and what to write.
    pub fn published_to(&self) -> Result<Option<RedisOptions>, String> {
        if let Some(url) = &self.publish {
            return self.options("--publish", url).map(Some);
        }
        let files = [
            ("--redis-password-file", &self.redis_password_file),
            ("--redis-ca-cert", &self.redis_ca_cert),
        ];
        match files.into_iter().find(|(_, file)| file.is_some()) {
            Some((flag, _)) => Err(format!("{flag} is for a Redis: add --publish URL")),
            None => Ok(None),
        }
    }

    /// The Redis at `url`, which was given with `flag`.
    ///
    /// # Errors
    /// One line that says what is wrong and what to write.
    pub fn options(&self, flag: &str, url: &str) -> Result<RedisOptions, String> {
        let address = RedisAddress::parse(url).map_err(|error| format!("{flag}: {error}"))?;
        let password = self.redis_password_file.as_deref();
        let authorities = self.redis_ca_cert.as_deref();
        if address.has_user() && password.is_none() {
            return Err(format!(
                "{flag}: a user needs a password: add --redis-password-file FILE"
            ));
        }
        if !address.is_encrypted() && authorities.is_some() {
            return Err(format!(
                "--redis-ca-cert is for TLS: write {flag} rediss://HOST:PORT"
            ));
        }
        Ok(RedisOptions {
            address,
            password: password.map(RedisPassword::read).transpose()?,
            authorities: authorities.map(read_authorities).transpose()?,
            keys: self.redis_prefix.clone(),
            turn: ServerTurn::default(),
        })
    }
}
