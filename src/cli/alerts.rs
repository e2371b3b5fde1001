//! The flags for rules.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::alert::{KnownMetrics, Rule, RuleTexts, RulesError, read_rules};

/// The longest file of rules, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// Flags of the two servers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Alerts")]
pub struct AlertArgs {
    /// Alert by this rule, such as 'cpu > 90 for 30s'
    ///
    /// Repeatable. 'default' is a list of rules for any host.
    #[arg(long = "alert", value_name = "RULE")]
    rules: Vec<String>,

    /// Alert by the rules in this file, one per line
    #[arg(long = "alerts", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The rules of a command line and its file, as written.
#[derive(Debug, Clone)]
pub struct WrittenRules {
    flags: Vec<String>,
    file: Option<(PathBuf, String)>,
}

impl AlertArgs {
    /// Whether there is a file that can be reloaded.
    #[must_use]
    pub fn can_reload(&self) -> bool {
        // Anything but a regular file can be read only once.
        self.file
            .as_deref()
            .is_some_and(|file| file.is_file() || !file.exists())
    }

    /// Whether there are any rules.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.rules.is_empty() || self.file.is_some()
    }

    /// Reads the file; `None` if no rules were asked for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> anyhow::Result<Option<WrittenRules>> {
        if !self.is_given() {
            return Ok(None);
        }
        let file = self.file.as_deref().map(read).transpose()?;
        Ok(Some(WrittenRules {
            flags: self.rules.clone(),
            file,
        }))
    }
}

fn read(path: &Path) -> anyhow::Result<(PathBuf, String)> {
    let whole = || {
        let mut text = String::new();
        let mut file = File::open(path)?.take(LONGEST_FILE + 1);
        file.read_to_string(&mut text)?;
        if text.len() as u64 > LONGEST_FILE {
            return Err(io::Error::other("it is over 1 MiB"));
        }
        Ok(text)
    };
    let text = whole().map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => io::Error::other("it is not UTF-8 text"),
        _ => error,
    });
    let text = text.with_context(|| format!("cannot read the rules in '{}'", path.display()))?;
    Ok((path.to_owned(), text))
}

impl WrittenRules {
    /// The file that some of them are in.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// The rules, if they are about `known` metrics.
    ///
    /// # Errors
    /// The first invalid one.
    pub fn parse(&self, known: &KnownMetrics) -> Result<Vec<Rule>, RulesError> {
        let name = self.file().map(|path| path.display().to_string());
        let text = self.file.as_ref().map(|(_, text)| text.as_str());
        read_rules(
            RuleTexts {
                flags: &self.flags,
                file: name.as_deref().zip(text),
            },
            known,
        )
    }
}
