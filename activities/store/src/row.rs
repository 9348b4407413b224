//! Reading columns: ids, instants, names of enums. A value of unknown form is [`StoreError::Corrupt`], never a panic.

use crate::{StoreError, time::Ts};
use jiff::Timestamp;
use lock_domain::{ids::ReservationRef, problem::Code, window::Window};
use serde::de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer};
use sqlx::{Row, postgres::PgRow, types::Json};
use uuid::Uuid;

pub(crate) trait RowExt {
    fn uuid(&self, column: &'static str) -> Result<Uuid, StoreError>;
    fn uuid_opt(&self, column: &'static str) -> Result<Option<Uuid>, StoreError>;
    fn text(&self, column: &'static str) -> Result<String, StoreError>;
    fn text_opt(&self, column: &'static str) -> Result<Option<String>, StoreError>;
    fn flag(&self, column: &'static str) -> Result<bool, StoreError>;
    fn int(&self, column: &'static str) -> Result<i64, StoreError>;
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError>;
    fn at(&self, column: &'static str) -> Result<Timestamp, StoreError>;
    fn at_opt(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError>;
    fn window_opt(&self, from: &'static str, until: &'static str) -> Result<Option<Window>, StoreError>;
    fn name<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError>;
    fn name_opt<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError>;
    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError>;
    fn json_opt<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError>;
    fn reservation(&self, column: &'static str) -> Result<ReservationRef, StoreError>;
    fn code_opt(&self, column: &'static str) -> Result<Option<Code>, StoreError>;
}

impl RowExt for PgRow {
    fn uuid(&self, column: &'static str) -> Result<Uuid, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn uuid_opt(&self, column: &'static str) -> Result<Option<Uuid>, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn text(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn text_opt(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        Ok(self.try_get(column)?)
    }
    fn at(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        Ok(self.try_get::<Ts, _>(column)?.0)
    }
    fn at_opt(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.try_get::<Option<Ts>, _>(column)?.map(|ts| ts.0))
    }
    fn window_opt(&self, from: &'static str, until: &'static str) -> Result<Option<Window>, StoreError> {
        Ok(self.at_opt(from)?.zip(self.at_opt(until)?).map(|(from, until)| Window { from, until }))
    }
    fn name<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        parse_name(&self.text(column)?, column)
    }
    fn name_opt<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.text_opt(column)?.map(|text| parse_name(&text, column)).transpose()
    }
    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        self.json_opt(column)?.ok_or(StoreError::Corrupt(column))
    }
    fn json_opt<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let value: Option<Json<serde_json::Value>> = self.try_get(column)?;
        value.map(|Json(v)| serde_json::from_value(v).map_err(|_| StoreError::Corrupt(column))).transpose()
    }
    fn reservation(&self, column: &'static str) -> Result<ReservationRef, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::Corrupt(column))
    }
    fn code_opt(&self, column: &'static str) -> Result<Option<Code>, StoreError> {
        // A newer version of the code may have written a code that this one does not know; the row is still of use.
        Ok(self.text_opt(column)?.map(|text| Code::from_text(&text).unwrap_or(Code::Internal)))
    }
}

fn parse_name<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, StoreError> {
    let deserializer: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(deserializer).map_err(|_| StoreError::Corrupt(column))
}
