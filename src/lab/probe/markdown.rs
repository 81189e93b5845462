//! A card as Markdown, for a ticket.

use std::fmt::Write as _;

use super::card::{Card, Extra, Mark, Row};
use crate::text::escape::markdown as cell;

impl Card {
    /// Formats the card: its summary, then what is wrong, then the counts of each group.
    pub fn markdown(&self) -> String {
        let mut out = format!("### Gate probe of {}\n\n**{}**\n\n", cell(&self.target), self.summary());
        for note in self.notes() {
            let _ = writeln!(out, "* {note}");
        }
        let _ = writeln!(out, "* {}", cell(&self.about()));
        let is_odd = |row: &&Row| !matches!(row.mark, Mark::Sound | Mark::Measured(_) | Mark::Skipped);
        let odd: Vec<&Row> = self.rows.iter().filter(is_odd).collect();
        let extras: Vec<&Extra> = self.extras.iter().filter(|extra| extra.is_sound != Some(true)).collect();
        if !odd.is_empty() || !extras.is_empty() {
            out.push_str("\n| | probe | what was sent | answer | expected |\n|---|---|---|---|---|\n");
        }
        for row in odd {
            let expected = row.probe.wanted.words();
            let (name, what, came) = (cell(row.probe.name), cell(row.probe.what), cell(&row.came()));
            let _ = writeln!(out, "| **{}** | {name} | {what} | {came} | {expected} |", row.weight());
        }
        for extra in extras {
            let (name, found) = (cell(extra.name), cell(&extra.found));
            let _ = writeln!(out, "| **{}** | {name} | {} | {found} | |", extra.weight(), extra.group);
        }
        out.push_str("\n| group | as a sound server answers | measured |\n|---|---|---|\n");
        for group in self.groups() {
            let rows = self.rows.iter().filter(|row| row.probe.group == group && row.mark != Mark::Skipped);
            let extras = self.extras.iter().filter(|extra| extra.group == group);
            let measured = rows.clone().filter(|row| matches!(row.mark, Mark::Measured(_))).count();
            let all = rows.clone().count() + extras.clone().count() - measured;
            let sound = rows.filter(|row| row.mark == Mark::Sound).count()
                + extras.filter(|extra| extra.is_sound == Some(true)).count();
            let _ = writeln!(out, "| {group} | {sound} of {all} | {measured} |");
        }
        out
    }
}
