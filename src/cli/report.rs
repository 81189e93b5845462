//! `--junit`, `--tap` and `--markdown`: the report of a command for other programs.

use std::io::{self, Write};
use std::path::Path;

use super::arguments::ReportOptions;
use super::{CliError, Exit, Runner};
use crate::config;
use crate::report::{self, Report, ReportVerdict};

/// The format of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text for people.
    Text,
    Json,
    Markdown,
    Tap,
}

impl From<ReportVerdict> for Exit {
    fn from(verdict: ReportVerdict) -> Self {
        match verdict {
            ReportVerdict::Passed => Self::Good,
            ReportVerdict::Failed => Self::Forbidden,
            ReportVerdict::NoVerdict => Self::NoVerdict,
        }
    }
}

impl ReportOptions {
    /// Returns the format of standard output. Fails if two formats are requested, or if the report could not be written
    /// later: a long run must not end without its result.
    pub fn form(&self, json: bool, markdown: bool) -> Result<Form, CliError> {
        let requested =
            [(json, "--json", Form::Json), (markdown, "--markdown", Form::Markdown), (self.tap, "--tap", Form::Tap)];
        let mut requested = requested.iter().filter(|(is_requested, ..)| *is_requested);
        let form = requested.next();
        if let (Some((_, first, _)), Some((_, second, _))) = (form, requested.next()) {
            return Err(CliError::Usage(format!("{first} cannot be used with {second}")));
        }
        if let Some(path) = &self.junit {
            if path == Path::new("-") {
                return Err(CliError::Usage("--junit: expected a file, got - (standard output)".to_owned()));
            }
            config::check_report(path)?;
        }
        Ok(form.map_or(Form::Text, |(.., form)| *form))
    }

    /// Writes the report to the file of `--junit`, if it is given.
    fn save(&self, report: &Report) -> Result<(), CliError> {
        match &self.junit {
            Some(path) => Ok(config::save_report(path, &report::junit(report)?)?),
            None => Ok(()),
        }
    }

    /// Whether any option is set.
    pub const fn is_set(&self) -> bool {
        self.junit.is_some() || self.tap
    }
}

impl Runner<'_> {
    /// Writes the report to the file of `--junit`, then prints. The file comes first, because the reader of standard
    /// output may close it early; if it cannot be written, the results are printed anyway, before the error.
    pub fn report(
        &mut self,
        options: &ReportOptions,
        report: &Report,
        print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let saved = options.save(report);
        let printed = print(self.out).and_then(|()| self.out.flush());
        saved?;
        Ok(printed?)
    }
}
