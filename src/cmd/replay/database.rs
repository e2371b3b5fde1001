//! The recordings in a database.

use crate::cmd::Failure;
use crate::postgres::{DatabaseAddress, hosts_in};
use crate::protocol::{HostName, HostPattern};
use crate::source::recording::Input;

/// One recording for each host of the database at `url` that is wanted; without patterns, for all of them.
///
/// # Errors
/// When the database cannot be read, or has none of them.
pub(super) async fn hosts_of_database(
    url: &str,
    wanted: &[HostPattern],
) -> Result<Vec<Input>, Failure> {
    let known = hosts_in(DatabaseAddress::parse(url)?).await?;
    let names: Vec<_> = known.iter().map(|it| it.host.to_string()).collect();
    let is_wanted = |host: &HostName| wanted.is_empty() || wanted.iter().any(|it| it.matches(host));
    let found: Vec<_> = known.into_iter().filter(|it| is_wanted(&it.host)).collect();
    if found.is_empty() {
        let what = if names.is_empty() {
            "it has no host".to_owned()
        } else {
            format!("no host fits --host; it has {}", names.join(", "))
        };
        return Err(anyhow::anyhow!("nothing to replay in {url}: {what}").into());
    }
    Ok(found.into_iter().map(Input::Database).collect())
}
