//! What a command is doing, for whoever waits for it: one line on standard error that is drawn again and again, on a
//! terminal only. Nothing of it stays, and nothing of it is ever written to a file or a pipe.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::output;

/// What is done sooner is not worth a line.
const PATIENCE: Duration = Duration::from_millis(400);
const BEAT: Duration = Duration::from_millis(125);
const TURN: [char; 4] = ['|', '/', '-', '\\'];
/// Of a terminal that does not say how wide it is.
const WIDTH: usize = 80;
const BAR: usize = 24;

/// Whether the line stands there now. Whoever writes to standard error holds it, and wipes the line first.
static DRAWN: Mutex<bool> = Mutex::new(false);

fn drawn() -> MutexGuard<'static, bool> {
    // A bool is never left half written.
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the line away.
fn wipe(drawn: &mut bool) {
    if std::mem::take(drawn) {
        // Nobody is left to tell when standard error is closed.
        io::stderr().write_all(b"\r\x1b[2K").ok();
    }
}

/// Standard error for everything else: the line makes room.
pub(crate) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut drawn = drawn();
        wipe(&mut drawn);
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The line, until it is dropped.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Shows the text, asked for anew each time, with a turning bar before it and the time that it took behind it.
    pub(crate) fn show(quiet: bool, text: impl Fn() -> String + Send + 'static) -> Self {
        // With --json a program listens, even where a person looks on.
        if quiet || !output::steerable() {
            return Self(None);
        }
        let (stop, stopped) = channel();
        // A thread of its own: what it tells of may keep others busy. Without one there is just nothing to see.
        let drawing = std::thread::Builder::new().name("progress".into());
        let drawing = drawing.spawn(move || draw(&stopped, &text));
        Self(drawing.ok().map(|drawing| (stop, drawing)))
    }

    /// Whether anybody sees it.
    pub(crate) const fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Shows a text that stays the same.
    pub(crate) fn of(quiet: bool, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::show(quiet, move || text.clone())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, drawing)) = self.0.take() {
            drop(stop);
            drawing.join().ok();
            wipe(&mut drawn());
        }
    }
}

fn draw(stopped: &Receiver<()>, text: &(impl Fn() -> String + ?Sized)) {
    let started = Instant::now();
    let mut wait = PATIENCE;
    for turn in TURN.iter().cycle() {
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        wait = BEAT;
        let line = format!("{turn} {} ({} s)", text(), started.elapsed().as_secs());
        let line = output::printable(&fitting(&line, width()));
        let mut drawn = drawn();
        if write!(io::stderr(), "\r\x1b[2K{line}").and_then(|()| io::stderr().flush()).is_err() {
            return;
        }
        *drawn = true;
    }
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(WIDTH)
}

/// As much of a line as fits without a second one, which could not be wiped.
fn fitting(line: &str, width: usize) -> String {
    let room = width.saturating_sub(1);
    if line.chars().count() <= room {
        return line.to_owned();
    }
    line.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// A bar that fills up.
pub(crate) fn bar(part: f64) -> String {
    let filled = ((part.clamp(0.0, 1.0) * BAR as f64).round() as usize).min(BAR);
    format!("[{}{}]", "=".repeat(filled), " ".repeat(BAR - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_wider_than_the_terminal() {
        assert_eq!(fitting("| signing (1 s)", 80), "| signing (1 s)");
        assert_eq!(fitting("0123456789", 10), "01234567…");
        for width in 0..12 {
            assert!(fitting("0123456789", width).chars().count() <= width.max(1), "{width}");
        }
    }

    #[test]
    fn a_bar_fills_up_and_stays_in_its_bounds() {
        let filled = |part: f64| bar(part).matches('=').count();
        assert_eq!((filled(0.0), filled(0.5), filled(1.0)), (0, BAR / 2, BAR));
        assert_eq!((filled(-1.0), filled(7.0), filled(f64::NAN)), (0, BAR, 0));
        assert_eq!(bar(0.3).chars().count(), BAR + 2);
    }
}
