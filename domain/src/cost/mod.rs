//! What a lock vendor costs: from counted calls, keys, doors and price lists to money by day, and what the same work would cost at
//! another vendor.
//!
//! Money is whole millionths of a currency's unit, so that nothing is lost in adding up small prices; amounts in two currencies are never
//! added. It must not know where counts and prices come from. It can't fail: what has no price is told as such, never as free.

mod acts;
mod price;
mod sum;
#[cfg(test)]
mod tests;

pub use acts::{Act, Acts, act_of, calls_of};
pub use price::{PriceError, PriceList, Rates, in_force};
pub use sum::{CallCount, CostLine, DayUse, Group, WhatIf, cost, group, what_if};
