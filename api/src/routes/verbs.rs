//! Writes: a new stay, and the verbs on one.

use super::Wait;
use crate::{
    accept::{self, Ask, Wanted},
    auth::Allowed,
    dto::*,
    extract::{Asked, Json, Param},
    problem::{Problem, ProblemBody},
    scope::StaysWrite,
    state::AppState,
};
use axum::{extract::State, response::Response};
use http::HeaderMap;
use lock_domain::{ids::ReservationRef, problem::Code};

/// Make a stay and its first keys
///
/// Keys are put into the locks when the stay is near (the policy's `issue_ahead_s`), at once for a guest who stands at the desk. Windows
/// are instants (`from`, `until`) or local times (`arrival`, `departure`); what daylight saving did to those is in `times`.
#[utoipa::path(
    post, path = "/v1/properties/{property}/stays", tag = "Stays",
    params(
        ("property" = String, Path, description = "The property's id"), Wait,
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = NewStay,
    responses(
        (status = 201, description = "Every key is in its locks, or planned for later", body = StayBody),
        (status = 202, description = "Accepted; follow `operation`", body = StayBody),
        (status = "4XX", description = "Refused, and nothing has changed", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", description = "Repeat with the same Idempotency-Key", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:write"]))
)]
pub(crate) async fn new(
    State(state): State<AppState>,
    allowed: Allowed<StaysWrite>,
    Param(property): Param<String>,
    Asked(wait): Asked<Wait>,
    headers: HeaderMap,
    body: Json<NewStay>,
) -> Result<Response, Problem> {
    let route = "POST /v1/properties/{property}/stays";
    let ask = Ask::read(allowed.key, property, None, route, &headers)?;
    let ask = Ask { hash: body.hash, wait: wait.duration()?, ..ask };
    Box::pin(accept::carry(&state, ask, Wanted::New(Box::new(body.value)))).await
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident: $path:literal, $body:ty, |$value:pat_param| $wanted:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, tag = "Verbs",
            params(
                ("property" = String, Path, description = "The property's id"),
                ("reservation" = ReservationRef, Path, description = "The PMS's reference"), Wait,
                ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
            ),
            request_body = $body,
            responses(
                (status = 200, description = "It is so", body = StayBody),
                (status = 202, description = "Accepted; follow `operation`", body = StayBody),
                (status = "4XX", description = "Refused, and everything is as before", body = ProblemBody, content_type = "application/problem+json"),
                (status = "5XX", description = "Repeat with the same Idempotency-Key", body = ProblemBody, content_type = "application/problem+json"),
            ),
            security(("api_key" = ["stays:write"]))
        )]
        pub(crate) async fn $name(
            State(state): State<AppState>,
            allowed: Allowed<StaysWrite>,
            Param((property, reservation)): Param<(String, String)>,
            Asked(wait): Asked<Wait>,
            headers: HeaderMap,
            body: Json<$body>,
        ) -> Result<Response, Problem> {
            let ask = Ask::read(allowed.key, property, Some(reservation), concat!("POST ", $path), &headers)?;
            let ask = Ask { hash: body.hash, wait: wait.duration()?, ..ask };
            let $value = body.value;
            Box::pin(accept::carry(&state, ask, $wanted)).await
        }
    )*};
}

verbs! {
    /// Make more keys
    ///
    /// Beside those that exist, which stay as they are.
    duplicate: "/v1/properties/{property}/stays/{reservation}/duplicate", MoreKeys, |asked| Wanted::Duplicate(asked);
    /// Replace a key
    ///
    /// Lost, or told to the wrong person. The new key is proven before the old one dies.
    reissue: "/v1/properties/{property}/stays/{reservation}/reissue", Replace, |asked| Wanted::Reissue(asked);
    /// Change the dates
    ///
    /// Earlier, later, shorter, longer. PINs stay as they are; what is left out stays as it is.
    modify_stay: "/v1/properties/{property}/stays/{reservation}/modify-stay", OtherDates, |asked| Wanted::ModifyStay(asked);
    /// Move to another room
    ///
    /// The new room opens before the old one closes. If the new one can't be opened, the guest keeps the old one.
    room_move: "/v1/properties/{property}/stays/{reservation}/room-move", OtherRoom, |asked| Wanted::RoomMove(asked);
    /// Suspend the keys
    ///
    /// Takes all keys away until `resume`, whatever else the PMS changes.
    suspend: "/v1/properties/{property}/stays/{reservation}/suspend", Nothing, |_| Wanted::Suspend;
    /// Give suspended keys back
    ///
    /// With the same PINs.
    resume: "/v1/properties/{property}/stays/{reservation}/resume", Nothing, |_| Wanted::Resume;
    /// Take a key away, or all
    ///
    /// The stay goes on.
    remove: "/v1/properties/{property}/stays/{reservation}/remove", TakeAway, |asked| Wanted::Remove(asked);
    /// Check the guest out
    ///
    /// Keys are taken out of the locks, for as long as that takes. Until it is proven the stay says until when a door may open.
    check_out: "/v1/properties/{property}/stays/{reservation}/check-out", Nothing, |_| Wanted::CheckOut;
    /// Cancel the stay
    ///
    /// Before arrival, or when the guest never came.
    cancel: "/v1/properties/{property}/stays/{reservation}/cancel", Nothing, |_| Wanted::Cancel;
    /// Read the locks back
    ///
    /// Compares what stands in the locks with what should, and mends what differs.
    read: "/v1/properties/{property}/stays/{reservation}/read", Nothing, |_| Wanted::Read;
}

/// A reservation of a path.
pub(crate) fn reservation(text: &str) -> Result<ReservationRef, Problem> {
    text.parse().map_err(|_| Problem::new(Code::StayNotFound, "the property has no stay under this reservation"))
}
