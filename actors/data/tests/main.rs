//! Behaviour of the whole pipeline, seen from a consumer: order, counting, bounds, quarantine, survival.
//! Not here: single concepts (they are tested beside their code).

mod common;
mod bound;
mod caching;
mod conservation;
mod cpu_budget;
mod looking;
mod order;
mod quarantine;
mod several_views;
mod survival;
