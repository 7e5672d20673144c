//! Reading every reference row: all of them or none, or all but those that are damaged.

use super::{
    API_KEYS, BATCHES, BRANDS, CODE_KEYS, CODE_LIKE_SN, PARTIES, PRODUCTS, ReferenceRows, SITES,
    TERRITORIES, VOIDS, api_key, code_key, json, party, site,
};
use crate::engine::{DecodeError, Engine, Row};
use crate::{StoreError, product, recall, webhook};

/// A reading of all tables, which ends at the first damaged row or collects them.
pub(super) struct Load<'a> {
    pub(super) engine: &'a Engine,
    pub(super) unread: Option<Vec<String>>,
}

impl Load<'_> {
    pub(super) async fn all(&mut self, version: i64) -> Result<ReferenceRows, StoreError> {
        Ok(ReferenceRows {
            version,
            brands: self.rows("brand", BRANDS, |r| json(r, 0)).await?,
            parties: self.rows("party", PARTIES, party).await?,
            sites: self.rows("site", SITES, site).await?,
            products: self.rows("product", PRODUCTS, product::read).await?,
            territories: self.rows("territory", TERRITORIES, |r| json(r, 0)).await?,
            batches: self.rows("batch", BATCHES, |r| json(r, 0)).await?,
            voids: self.rows("code_void", VOIDS, |r| json(r, 0)).await?,
            api_keys: self.rows("api_key", API_KEYS, api_key).await?,
            code_keys: self.rows("code_key", CODE_KEYS, code_key).await?,
            recalls: self.rows("recall", recall::RECALLS, |r| json(r, 0)).await?,
            webhooks: self.rows("webhook", webhook::WEBHOOKS, webhook::read).await?,
            code_like_sn: !self.rows("version", CODE_LIKE_SN, |r| r.int(0)).await?.is_empty(),
        })
    }

    async fn rows<T: Send>(
        &mut self,
        table: &str,
        sql: &'static str,
        map: fn(&Row<'_>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, StoreError> {
        let Some(unread) = &mut self.unread else {
            return Ok(self.engine.query(sql, &[], map).await?);
        };
        let mut rows = Vec::new();
        let read = self.engine.query(sql, &[], |r| Ok(map(r))).await?;
        for (n, row) in read.into_iter().enumerate() {
            match row {
                Ok(row) => rows.push(row),
                Err(why) => unread.push(format!("row {} of the table {table}: {why}", n + 1)),
            }
        }
        Ok(rows)
    }
}
