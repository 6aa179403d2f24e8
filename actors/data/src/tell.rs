//! The one way in which actors send data to each other.
//! Not for: questions that want an answer (they carry a reply channel of their own).
//!
//! actix's mailboxes don't bound anything here: a sync pool's queue is unbounded and `do_send` ignores limits. What bounds
//! them is the credit: a chunk exists only while it holds rows of a slab, and the conductor asserts before each issue that
//! the rows in flight never exceed the credits. Reports to the conductor are at most a few per chunk.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};

/// Sends without waiting. The caller's message must be covered by credits.
pub fn tell<A, M>(address: &Addr<A>, message: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    #[expect(clippy::disallowed_methods, reason = "the one place; bounded by credits, see the module's text")]
    address.do_send(message);
}
