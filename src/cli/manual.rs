//! `portcullis man`: a page for each command, from the options and the tables of exit codes, variables and files.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use clap::{Arg, CommandFactory as _};
use roff::{Inline, Roff, bold, italic, roman};

use super::options::FORMATS;
use super::reference::{CHOSEN_VARIABLES, FILES, Scope, VARIABLES};
use super::{CliError, EXITS, Exit, Options};
use crate::auth::NumericDate;
use crate::config;
use crate::text;

/// The longest line of a page's source, in bytes.
const MOST_COLUMNS: usize = 78;

/// The date of the pages: `SOURCE_DATE_EPOCH`, if it is set, or `now`.
pub fn date(source: Option<&str>, now: NumericDate) -> Result<NumericDate, CliError> {
    let Some(seconds) = source else { return Ok(now) };
    let expected = || {
        let found = text::name(seconds, 64);
        CliError::Usage(format!("SOURCE_DATE_EPOCH is {found}, expected seconds since 1970"))
    };
    seconds.parse().map(NumericDate::from_seconds).map_err(|_| expected())
}

/// Prints the main man page, or writes one page for each command to a directory.
pub fn man(out: &mut dyn Write, dir: Option<&Path>, date: NumericDate) -> Result<Exit, CliError> {
    let mut program = Options::command().bin_name("portcullis").disable_help_subcommand(true);
    program.build();
    let pages = pages(&program);
    match dir {
        None => out.write_all(page(&program, &pages, date).as_bytes())?,
        Some(dir) => {
            let write = |command: &clap::Command| {
                std::fs::write(dir.join(format!("{}.1", name(command))), page(command, &pages, date))
            };
            std::fs::create_dir_all(dir)
                .and_then(|()| pages.iter().try_for_each(|command| write(command)))
                .map_err(|error| config::unreadable("directory", dir, error))?;
        }
    }
    Ok(Exit::Good)
}

/// The description of every command, after its own.
const COMMON: &str = "\
General options, and options for keys, time and other issuers, may also come before the command's name. \
`portcullis`(1) describes the configuration file, policies, and how secrets and durations are written.";

/// The program and all of its commands, each of which has a page.
fn pages(command: &clap::Command) -> Vec<&clap::Command> {
    std::iter::once(command).chain(command.get_subcommands().flat_map(pages)).collect()
}

/// The name of a command's page.
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// Whether a page is that of the program itself.
fn is_main(command: &clap::Command) -> bool {
    name(command) == "portcullis"
}

/// Formats the page of a command.
fn page(command: &clap::Command, pages: &[&clap::Command], date: NumericDate) -> String {
    let mut page = Roff::new();
    let source = format!("portcullis {}", env!("CARGO_PKG_VERSION"));
    let date = date.rfc3339();
    let day = date.split('T').next().unwrap_or_default();
    page.control("TH", [&*name(command).to_uppercase(), "1", day, &source, "Portcullis Manual"]);
    // Lines are not stretched between long names, and names are not hyphenated.
    page.control("ad", ["l"]).control("nh", []);

    page.control("SH", ["NAME"]);
    page.text([roman(format!("{} - {}", name(command), about(command)))]);

    page.control("SH", ["SYNOPSIS"]);
    synopsis(&mut page, command);

    page.control("SH", ["DESCRIPTION"]);
    let described = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    let described = described.unwrap_or_default();
    match is_main(command) {
        true => paragraphs(&mut page, &described),
        false => paragraphs(&mut page, &format!("{}.\n\n{COMMON}", described.trim_end_matches('.'))),
    }

    if command.has_subcommands() {
        page.control("SH", ["COMMANDS"]);
        for sub in command.get_subcommands() {
            page.control("TP", []);
            page.text([bold(name(sub)), roman("(1)")]);
            page.text([roman(about(sub))]);
        }
    }

    page.control("SH", ["OPTIONS"]);
    options(&mut page, command);

    for (title, text) in FORMATS.iter().filter(|_| is_main(command)) {
        page.control("SH", [&*title.to_uppercase()]);
        paragraphs(&mut page, &sentence(text));
    }

    page.control("SH", ["EXIT STATUS"]);
    for (exit, meaning) in EXITS {
        item(&mut page, [bold((exit as u8).to_string())], meaning);
    }
    item(&mut page, [roman("128 + "), italic("n")], "ended by signal n");

    page.control("SH", ["ENVIRONMENT"]);
    environment(&mut page, command);

    page.control("SH", ["FILES"]);
    for file in FILES {
        item(&mut page, [italic(file.place)], file.contents);
    }

    page.control("SH", ["EXAMPLES"]);
    for (place, example) in examples(command).into_iter().enumerate() {
        if place > 0 {
            page.control("PP", []);
        }
        page.control("RS", ["4"]).control("EX", []);
        page.text([roman(example)]);
        page.control("EE", []).control("RE", []);
    }

    page.control("SH", ["SEE ALSO"]);
    let others: Vec<&str> = pages.iter().map(|other| name(other)).filter(|other| *other != name(command)).collect();
    for (place, other) in others.iter().enumerate() {
        let end = if place + 1 == others.len() { "(1)" } else { "(1)," };
        page.text([bold(*other), roman(end)]);
    }
    wrapped(&page.render())
}

/// Breaks the long lines of a page's source, and escapes its characters.
fn wrapped(source: &str) -> String {
    let mut page = String::new();
    let (mut is_example, mut is_term) = (false, false);
    for line in source.lines() {
        let mut column = 0;
        let keeps_lines = is_example || is_term || line.starts_with('.');
        for (place, word) in line.split(' ').enumerate() {
            let word = escaped(word);
            let breaks = !keeps_lines && place > 0 && column + word.len() >= MOST_COLUMNS;
            match (breaks, place) {
                (true, _) => {
                    page.push('\n');
                    // A line must not begin with a control character.
                    page.push_str(if word.starts_with(['.', '\'']) { r"\&" } else { "" });
                    column = 0;
                }
                (false, 0) => {}
                (false, _) => page.push(' '),
            }
            column += word.len() + 1;
            page.push_str(&word);
        }
        page.push('\n');
        is_term = line == ".TP";
        is_example = if is_example { line != ".EE" } else { line == ".EX" };
    }
    page
}

/// Writes characters that roff would print as others, or could not read, as escape sequences.
fn escaped(word: &str) -> String {
    let mut escaped = String::new();
    for c in word.chars() {
        match c {
            '~' => escaped.push_str(r"\(ti"),
            '^' => escaped.push_str(r"\(ha"),
            '`' => escaped.push_str(r"\(ga"),
            c if c.is_ascii() => escaped.push(c),
            c => {
                let _ = write!(escaped, r"\[u{:04X}]", u32::from(c));
            }
        }
    }
    escaped
}

/// The command in one sentence.
fn about(command: &clap::Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    about.trim_end_matches('.').to_owned()
}

fn synopsis(page: &mut Roff, command: &clap::Command) {
    let program = command.get_bin_name().unwrap_or("portcullis");
    let usage = command.clone().render_usage().to_string();
    for (place, form) in usage.trim_start_matches("Usage:").lines().map(str::trim).enumerate() {
        if place > 0 {
            page.control("br", []);
        }
        match form.strip_prefix(program) {
            Some(rest) => page.text([bold(program), roman(rest)]),
            None => page.text([roman(form)]),
        };
    }
}

/// Writes the arguments, the command's own options, and the other options by group.
fn options(page: &mut Roff, command: &clap::Command) {
    let all: Vec<&Arg> = command.get_arguments().filter(|option| !option.is_hide_set()).collect();
    let mut groups: Vec<Option<&str>> = vec![None];
    for option in &all {
        if !groups.contains(&option.get_help_heading()) {
            groups.push(option.get_help_heading());
        }
    }
    for group in groups {
        let mut members: Vec<&Arg> = all.iter().copied().filter(|option| option.get_help_heading() == group).collect();
        members.sort_by_key(|option| (!option.is_positional(), option.get_display_order()));
        if let Some(group) = group {
            page.control("SS", [group]);
        }
        for option in members {
            let help = option.get_long_help().or_else(|| option.get_help()).map(ToString::to_string);
            item(page, usage(option), &(help.unwrap_or_default() + &additions(option)));
        }
    }
}

/// An argument or option as it is written: `-p, --permission <NAME>`.
fn usage(option: &Arg) -> Vec<Inline> {
    let values = option.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    let values = values.join(" ");
    if option.is_last_set() {
        return vec![roman("-- "), italic(values), roman(" ["), italic("ARGUMENTS"), roman("]")];
    }
    if option.is_positional() {
        return vec![italic(values)];
    }
    let short = option.get_short().map(|short| bold(format!("-{short}")));
    let long = option.get_long().map(|long| bold(format!("--{long}")));
    let comma = short.iter().zip(&long).map(|_| roman(", ")).collect::<Vec<_>>();
    let mut written: Vec<Inline> = short.into_iter().chain(comma).chain(long).collect();
    if option.get_action().takes_values() {
        let is_optional = option.get_num_args().is_some_and(|number| number.min_values() == 0);
        let (open, close) = if is_optional { (" [", "]") } else { (" ", "") };
        written.extend([roman(open), italic(values), roman(close)]);
    }
    written
}

/// The default and the possible values, as clap appends them to the help of an option.
fn additions(option: &Arg) -> String {
    let mut additions = String::new();
    let defaults = option.get_default_values().iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>();
    if option.get_action().takes_values() && !defaults.is_empty() {
        additions = format!(" [default: {}]", defaults.join(", "));
    }
    let values = option.get_possible_values();
    if !values.is_empty() && !option.is_hide_possible_values_set() && option.get_action().takes_values() {
        let names = values.iter().map(clap::builder::PossibleValue::get_name).collect::<Vec<_>>();
        additions = format!("{additions} [possible values: {}]", names.join(", "));
    }
    additions
}

/// Writes the variables that have an effect on a command: all of them on the main page.
fn environment(page: &mut Roff, command: &clap::Command) {
    let is_main = is_main(command);
    let is_shown = |scope| match scope {
        Scope::Program | Scope::System => true,
        Scope::Completions => is_main || name(command) == "portcullis-completions",
        Scope::Man => is_main || name(command) == "portcullis-man",
        Scope::Console => is_main,
    };
    for variable in VARIABLES.iter().filter(|variable| is_shown(variable.scope)) {
        let mut names: Vec<Inline> = Vec::new();
        for (place, name) in variable.names.iter().enumerate() {
            names.extend((place > 0).then(|| roman(", ")));
            names.push(bold(*name));
        }
        item(page, names, variable.effect);
    }
    page.control("PP", []);
    page.text(inlines(CHOSEN_VARIABLES));
}

/// The examples of a command, without their heading.
fn examples(command: &clap::Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = text.split_once("Examples:\n").map_or("", |(_, lines)| lines);
    let lines = lines.lines().take_while(|line| !line.is_empty());
    lines.map(|line| line.trim_start().to_owned()).collect()
}

/// Writes a term and its description.
fn item(page: &mut Roff, term: impl Into<Vec<Inline>>, description: &str) {
    page.control("TP", []);
    page.text(term);
    page.text(inlines(description));
}

/// Writes paragraphs that are separated by empty lines.
fn paragraphs(page: &mut Roff, text: &str) {
    for (place, paragraph) in text.split("\n\n").enumerate() {
        if place > 0 {
            page.control("PP", []);
        }
        page.text(inlines(&paragraph.replace('\n', " ")));
    }
}

/// A text with an upper-case letter at the start, unless it starts with a literal.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

/// The parts of a text: what is between backticks is literal.
fn inlines(text: &str) -> Vec<Inline> {
    let part = |(place, part): (usize, &str)| if place % 2 == 1 { bold(part) } else { roman(part) };
    text.split('`').enumerate().filter(|(_, part)| !part.is_empty()).map(part).collect()
}
