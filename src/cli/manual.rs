//! `portcullis completions` and `portcullis man`: generated from the options, so that they are never outdated.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{CliError, Exit, Options};
use crate::config;

/// Prints the completions for a shell.
pub fn completions(out: &mut dyn Write, shell: Shell) -> Result<Exit, CliError> {
    // Generated in memory first: the generator panics if it cannot write, and a closed pipe is not a bug.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Options::command(), "portcullis", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Good)
}

/// Prints the main man page, or writes one page for each command to a directory.
pub fn man(out: &mut dyn Write, dir: Option<&Path>) -> Result<Exit, CliError> {
    match dir {
        None => Man::new(Options::command()).render(out)?,
        Some(dir) => std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(Options::command(), dir))
            .map_err(|error| config::unreadable("directory", dir, error))?,
    }
    Ok(Exit::Good)
}
