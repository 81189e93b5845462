//! Moving about: panes, fields, rows, choices.

use super::field::{moved, turned};
use super::focus::Screen;
use super::history::Step;
use super::{App, Field, Focus, InspectView, Pane};
use crate::lab::kit::KIT;

impl App {
    pub(super) fn go(&mut self, to: Focus) {
        // Undo may lead to a field of the other screen.
        if !self.screen.panes().contains(&to.pane) {
            let other = Screen::ALL.into_iter().find(|screen| screen.panes().contains(&to.pane));
            self.screen = other.unwrap_or(self.screen);
        }
        self.focus = to;
    }

    /// Shows a screen, at the pane where its work begins unless the present one stands on it too.
    pub(super) fn show(&mut self, screen: Screen) {
        self.screen = screen;
        if !screen.panes().contains(&self.focus.pane) {
            self.enter(Focus::first(screen.panes()[0]));
        }
    }

    /// Goes to a field as a form does: what is typed first takes the place of a text that stands there.
    pub(super) fn enter(&mut self, to: Focus) {
        if let Some(text) =
            to.field.filter(|field| *field != Field::CallArguments).and_then(|field| self.text_mut(field))
        {
            text.replaced_by_typing = !text.is_empty();
        }
        self.go(to);
    }

    pub(super) fn turn(&mut self, by: isize) {
        match self.focus.field {
            None => self.go_pane(by),
            Some(Field::Permissions) => self.issue.tick = turned(self.issue.tick, by, self.issue.ticks.len()),
            Some(Field::Preset) => {
                self.history.push(Step::Issue(Field::Preset, Box::new(self.issue.clone())));
                self.issue.turn_preset(by);
            }
            Some(Field::InspectView) => {
                let at = InspectView::ALL.iter().position(|view| *view == self.view).unwrap_or(0);
                self.view = InspectView::ALL[turned(at, by, InspectView::ALL.len())];
                self.inspect_scroll = 0;
            }
            Some(Field::CallToken) => self.choose_token(turned(self.selected_row(), by, self.auth.tokens.len() + 1)),
            Some(field @ (Field::ServeAudience | Field::ServeDenial | Field::ServeList | Field::ClientKind)) => {
                self.turn_server(field, by);
            }
            Some(Field::CallTool | Field::DrillTool | Field::ClientTool) => {
                let tools = self.tools();
                let at = tools.iter().position(|tool| *tool == self.call.tool).unwrap_or(0);
                if let Some(tool) = tools.get(turned(at, by, tools.len())) {
                    self.choose_tool(tool);
                }
            }
            Some(Field::Cells) => self.choose_column(by),
            Some(Field::Rules) => {
                let columns = self.matrix.permissions().len();
                self.matrix.choose_permission(moved(self.matrix.permission_at(), by, columns));
            }
            Some(Field::WhoView) => self.matrix.turn_view(by),
            Some(Field::Bars) => self.move_cursor(by),
            Some(Field::Scale) => self.zoom(by),
            Some(field @ (Field::Dial | Field::Jump | Field::Pace | Field::Stamps)) => self.turn_dial(field, by),
            Some(field @ (Field::DrillToken | Field::DrillEvery | Field::DrillWay)) => self.drill.turn(field, by),
            Some(_) => {}
        }
    }

    fn go_pane(&mut self, by: isize) {
        let panes = self.screen.panes();
        self.go(Focus { pane: panes[turned(self.focus.pane.digit() - 1, by, panes.len())], field: None });
    }

    pub(super) fn row(&mut self, by: isize) {
        match self.focus.field {
            None => self.go_pane(by),
            Some(Field::TokenRows | Field::Bars) => self.step_token(by),
            Some(Field::Dial) => self.nudge_minutes(by),
            Some(Field::KitRows) => self.kit.row = moved(self.kit.row, by, KIT.len()),
            Some(Field::ClientRows) => self.choose_client(by),
            Some(Field::ActivityRows) => self.choose_record(by),
            Some(Field::InspectView) => self.scroll_inspect(by),
            Some(Field::Cells) => self.choose_matrix_row(moved(self.matrix_row(), by, self.matrix_rows())),
            Some(Field::Rules) => self.choose_column(by),
            Some(Field::WhoView) => self.matrix.scroll = moved(self.matrix.scroll, by, self.drawn.who_end + 1),
            Some(field) => {
                let fields = field.pane().fields();
                let at = fields.iter().position(|f| *f == field).unwrap_or(0);
                self.enter(Focus::at(fields[moved(at, by, fields.len())]));
            }
        }
    }

    pub(super) fn page(&mut self, by: isize) {
        let rows = |window: super::drawn::Window| by.saturating_mul(window.rows.max(2).cast_signed() - 1);
        match self.focus.pane {
            Pane::Tokens => self.step_token(rows(self.drawn.tokens)),
            Pane::Timeline => self.step_token(rows(self.drawn.bars)),
            Pane::Clock => self.nudge_hours(by),
            Pane::Kit => self.kit.row = moved(self.kit.row, rows(self.drawn.kit), KIT.len()),
            Pane::Traffic => self.choose_client(rows(self.drawn.clients)),
            Pane::Activity => self.choose_record(rows(self.drawn.activity)),
            Pane::Inspect => self.scroll_inspect(by.saturating_mul(10)),
            Pane::Matrix => {
                self.choose_matrix_row(moved(self.matrix_row(), rows(self.drawn.matrix), self.matrix_rows()));
            }
            Pane::Policy => self.choose_column(rows(self.drawn.rules)),
            Pane::Who => {
                let by = by.saturating_mul(10);
                self.matrix.scroll = moved(self.matrix.scroll, by, self.drawn.who_end + 1);
            }
            Pane::Issue | Pane::Call | Pane::Drill | Pane::Server | Pane::Connect => {}
        }
    }

    /// Selects the token so many rows further down.
    pub(super) fn step_token(&mut self, by: isize) {
        self.choose_token(moved(self.selected_row(), by, self.auth.tokens.len() + 1));
    }

    /// To one end: of a list, of a text, of a token's life.
    pub(super) fn edge(&mut self, by: isize) {
        match self.focus.field {
            Some(Field::Bars) => self.move_to_border(by),
            Some(Field::Dial) if by < 0 => self.real_time(),
            Some(Field::Dial) => self.hurry(),
            _ => self.page(by.saturating_mul(1 << 20)),
        }
    }

    pub(super) fn choose_record(&mut self, by: isize) {
        let place = moved(self.activity_place(), by, self.auth.activity.len());
        // At the top the selection follows what is new.
        self.record = self.auth.activity.nth_newest(place).filter(|_| place > 0).map(|record| record.seq);
    }

    pub(super) fn scroll_inspect(&mut self, by: isize) {
        self.inspect_scroll = moved(self.inspect_scroll, by, self.drawn.inspect_end + 1);
    }
}
