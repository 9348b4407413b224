//! One request and its reply, as a state machine without a socket: what to send, how long to wait, when to give up.
//!
//! ```text
//! we: frame            server: ACK … (a card is presented) … reply frame
//! we: frame            server: NAK      we: wait, ENQ    server: ACK    we: frame again
//! ```
//! A refused message has had no effect. Once it was taken, a reply that can't be read leaves open what was done.

use std::time::Duration;

use super::frame::{ACK, ENQ, NAK, Symbol};

/// Between a refusal and the question whether the server is ready.
pub const PAUSE: Duration = Duration::from_millis(200);
/// Questions per refusal.
pub const POLLS: u8 = 3;
/// Times that a refused message is sent again.
pub const RESENDS: u8 = 3;
/// Replies that can't be read before giving up.
const BAD_REPLIES: u8 = 2;
/// Symbols that make no sense before giving up.
const STRAYS: u8 = 32;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Wait for the server.
    Wait,
    /// Send this, then wait.
    Send(Vec<u8>),
    /// After [`PAUSE`], send this, then wait.
    SendLater(Vec<u8>),
    /// This is the reply.
    Reply(Vec<String>),
    /// The server never took the message.
    NotTaken,
    /// The server took it, and what it says can't be read.
    Unreadable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Offered,
    Asked,
    Taken,
}

/// One request.
#[derive(Debug)]
pub struct Dialogue {
    frame: Vec<u8>,
    state: State,
    ask_again: bool,
    polls: u8,
    resends: u8,
    bad_replies: u8,
    strays: u8,
}

impl Dialogue {
    /// For this frame, which is to be sent first. `ask_again`: a reply that can't be read is answered with NAK, once.
    #[must_use]
    pub fn new(frame: Vec<u8>, ask_again: bool) -> Self {
        Self { frame, state: State::Offered, ask_again, polls: 0, resends: 0, bad_replies: 0, strays: 0 }
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// The server took the message.
    #[must_use]
    pub fn taken(&self) -> bool {
        self.state == State::Taken
    }

    /// The server refused it, and has not been offered it again since: nothing was done.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.state == State::Asked
    }

    /// What comes after this symbol.
    pub fn on(&mut self, symbol: Symbol) -> Next {
        match (self.state, symbol) {
            (_, Symbol::Enq) => self.stray(Next::Send(vec![ACK])),
            (State::Offered, Symbol::Ack) => {
                self.state = State::Taken;
                Next::Wait
            }
            (State::Offered, Symbol::Nak) => {
                self.state = State::Asked;
                self.polls = 0;
                self.poll()
            }
            (State::Asked, Symbol::Nak) => self.poll(),
            (State::Asked, Symbol::Ack) => {
                if self.resends >= RESENDS {
                    return Next::NotTaken;
                }
                self.resends = self.resends.saturating_add(1);
                self.state = State::Offered;
                Next::Send(self.frame.clone())
            }
            // A reply proves that the message was taken, whatever became of the ACK.
            (State::Offered | State::Taken, Symbol::Frame(fields)) => Next::Reply(fields),
            (State::Offered | State::Taken, Symbol::BadCheck | Symbol::Malformed) => {
                self.state = State::Taken;
                self.bad_replies = self.bad_replies.saturating_add(1);
                if self.ask_again && self.bad_replies < BAD_REPLIES { Next::Send(vec![NAK]) } else { Next::Unreadable }
            }
            (State::Asked, Symbol::Frame(_) | Symbol::BadCheck | Symbol::Malformed) => Next::Unreadable,
            (State::Taken, Symbol::Ack | Symbol::Nak) => self.stray(Next::Wait),
        }
    }

    fn poll(&mut self) -> Next {
        if self.polls >= POLLS {
            return Next::NotTaken;
        }
        self.polls = self.polls.saturating_add(1);
        Next::SendLater(vec![ENQ])
    }

    fn stray(&mut self, next: Next) -> Next {
        self.strays = self.strays.saturating_add(1);
        match self.strays {
            ..=STRAYS => next,
            _ if self.refused() => Next::NotTaken,
            _ => Next::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Vec<String> {
        vec!["CO".to_owned()]
    }

    fn talk() -> Dialogue {
        Dialogue::new(b"frame".to_vec(), true)
    }

    #[test]
    fn taken_then_answered() {
        let mut talk = talk();
        assert_eq!(talk.on(Symbol::Ack), Next::Wait);
        assert!(talk.taken());
        assert_eq!(talk.on(Symbol::Frame(reply())), Next::Reply(reply()));
    }

    #[test]
    fn refused_asked_and_sent_again() {
        let mut talk = talk();
        assert_eq!(talk.on(Symbol::Nak), Next::SendLater(vec![ENQ]));
        assert!(talk.refused());
        assert_eq!(talk.on(Symbol::Nak), Next::SendLater(vec![ENQ]));
        assert_eq!(talk.on(Symbol::Ack), Next::Send(b"frame".to_vec()));
        assert!(!talk.refused());
        assert_eq!(talk.on(Symbol::Ack), Next::Wait);
    }

    #[test]
    fn a_storm_of_refusals_ends() {
        let mut talk = talk();
        for _ in 0..POLLS {
            assert_eq!(talk.on(Symbol::Nak), Next::SendLater(vec![ENQ]));
        }
        assert_eq!(talk.on(Symbol::Nak), Next::NotTaken);
        // Ready whenever asked, and refusing whatever is sent.
        let mut liar = Dialogue::new(b"frame".to_vec(), true);
        let mut sent = 0;
        loop {
            assert_eq!(liar.on(Symbol::Nak), Next::SendLater(vec![ENQ]));
            match liar.on(Symbol::Ack) {
                Next::Send(_) => sent += 1,
                other => break assert_eq!((other, sent), (Next::NotTaken, RESENDS)),
            }
        }
    }

    #[test]
    fn an_unreadable_reply_is_asked_for_once_more() {
        let mut talk = talk();
        talk.on(Symbol::Ack);
        assert_eq!(talk.on(Symbol::BadCheck), Next::Send(vec![NAK]));
        assert_eq!(talk.on(Symbol::Malformed), Next::Unreadable);
        assert_eq!(Dialogue::new(vec![], false).on(Symbol::BadCheck), Next::Unreadable);
    }

    #[test]
    fn a_reply_without_ack_counts_and_noise_ends() {
        assert_eq!(talk().on(Symbol::Frame(reply())), Next::Reply(reply()));
        let mut talk = talk();
        assert_eq!(talk.on(Symbol::Enq), Next::Send(vec![ACK]));
        talk.on(Symbol::Ack);
        let last = (0..100).map(|_| talk.on(Symbol::Nak)).find(|next| *next != Next::Wait);
        assert_eq!(last, Some(Next::Unreadable));
    }
}
