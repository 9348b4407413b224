//! What an API key may do. A handler names its scope in a type, so that no handler can forget to ask.

use std::fmt;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A scope of an API key. Append only: the texts are stored with keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Scope { $($(#[$doc])* $name,)* }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The scope's text, as stored and as in the API's description.
            pub const fn text(self) -> &'static str { match self { $(Self::$name => $text,)* } }
        }

        $($(#[$doc])* #[derive(Debug, Clone, Copy)] pub struct $name;
        impl Permission for $name { const NEEDS: Option<Scope> = Some(Scope::$name); })*
    };
}

/// A permission as a type: [`crate::auth::Allowed`] grants it or refuses the request.
pub trait Permission: Send + Sync + 'static {
    /// The scope that it takes; `None` is any valid key.
    const NEEDS: Option<Scope>;
}

scopes! {
    /// See properties, rooms, stays, operations and timelines.
    StaysRead = "stays:read";
    /// Make stays and change them.
    StaysWrite = "stays:write";
    /// Decide on requests that are held because too many stays were to lose their keys at once.
    StaysApprove = "stays:approve";
    /// Make keys that open a room once, and take them back.
    OneShotWrite = "one_shot:write";
    /// See a PIN, once.
    PinsReveal = "pins:reveal";
    /// Read the tenant's event log.
    EventsRead = "events:read";
    /// Change a property's policy.
    PolicyWrite = "policy:write";
    /// See what lock vendors cost, and what they take.
    CostsRead = "costs:read";
    /// Move a sandbox property's clock.
    ClockWrite = "clock:write";
    /// Make, rotate and revoke the endpoints at which vendors and partners call.
    WebhooksWrite = "webhooks:write";
    /// Have devices looked at, and close maintenance tasks.
    MaintenanceWrite = "maintenance:write";
    /// Set up a property's vendors, and take a breaker's decision.
    VendorsWrite = "vendors:write";
    /// Decode workflow histories.
    HistoriesRead = "histories:read";
    /// Rotate the tenant's keys.
    VaultRotate = "vault:rotate";
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
