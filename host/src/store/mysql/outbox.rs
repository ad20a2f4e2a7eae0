//! Events are not kept here yet: MySQL lets only an administrator make triggers, so each write must tell what it does by
//! itself. Until then whoever asks is told so, and no address can be added.

use super::*;

fn none_yet<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "events are not kept in MySQL and MariaDB yet")
        .with_remedy("ask for jobs and channels instead, or use PostgreSQL or SQLite"))
}

#[async_trait]
impl OutboxStore for Mysql {
    async fn outbox(&self, _: &TenantId, _: i64, _: u32) -> Result<OutboxPage> {
        none_yet()
    }

    async fn prune_outbox(&self, _: i64, _: i64) -> Result<bool> {
        Ok(false)
    }
}

#[async_trait]
impl EndpointStore for Mysql {
    async fn endpoints(&self, _: &TenantId) -> Result<Vec<EndpointRow>> {
        Ok(Vec::new())
    }

    async fn endpoint(&self, _: &TenantId, _: &str) -> Result<Option<EndpointRow>> {
        Ok(None)
    }

    async fn insert_endpoint(&self, _: &TenantId, _: &EndpointRow) -> Result<()> {
        none_yet()
    }

    async fn change_endpoint(&self, _: &TenantId, _: &str, _: &EndpointChange) -> Result<bool> {
        Ok(false)
    }

    async fn delete_endpoint(&self, _: &TenantId, _: &str) -> Result<bool> {
        Ok(false)
    }

    async fn acquire_endpoint(&self, _: i64, _: Duration) -> Result<Option<HeldEndpoint>> {
        Ok(None)
    }

    async fn extend_endpoint(&self, _: &str, _: &Lease, _: Duration) -> Result<bool> {
        Ok(false)
    }

    async fn next_delivery(&self, _: &str, _: i64) -> Result<Option<(DeliveryRow, OutboxRow)>> {
        Ok(None)
    }

    async fn store_attempt(
        &self,
        _: &str,
        _: &Lease,
        _: i64,
        _: &AttemptRow,
        _: &AfterAttempt,
    ) -> Result<bool> {
        Ok(false)
    }

    async fn release_endpoint(&self, _: &str, _: &Lease) -> Result<()> {
        Ok(())
    }

    async fn deliveries(&self, _: &TenantId, _: &str, _: Option<i64>, _: u32) -> Result<Vec<DeliveryRow>> {
        Ok(Vec::new())
    }

    async fn attempts(&self, _: &TenantId, _: &str, _: i64, _: u32) -> Result<Vec<AttemptRow>> {
        Ok(Vec::new())
    }

    async fn send_again(&self, _: &TenantId, _: &str, _: &str, _: i64) -> Result<bool> {
        Ok(false)
    }
}
