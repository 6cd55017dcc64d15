// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be done with one service, for both objects that it is asked of: the manager by its name, and its own.

use tails_server_state::{Change, OptionText, ServiceName, Wish};
use zbus::OwnedFd;
use zbus::message::Header;
use zeroize::Zeroizing;

use crate::bus::api::{self, ApiError, ConnectionProperties, MAX_SECRET, OptionProperties, Secrets};
use crate::bus::door::{Door, Right};
use crate::bus::{catalog, options, refusal};
use crate::controller::{Controller, OptionChange, RequestError};

/// The loop, and the door in front of it.
#[derive(Debug, Clone)]
pub(super) struct Face {
    pub(super) controller: Controller,
    pub(super) door: Door,
}

impl Face {
    pub(super) async fn enable(&self, call: &Header<'_>, name: ServiceName) -> Result<bool, ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        Ok(self.controller.enable(name).await? == Change::Changed)
    }

    pub(super) async fn disable(&self, call: &Header<'_>, name: ServiceName) -> Result<bool, ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        Ok(self.controller.set_wish(name, Wish::Disabled).await? == Change::Changed)
    }

    pub(super) async fn remove(&self, call: &Header<'_>, name: ServiceName) -> Result<(), ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        self.controller.remove(name).await?;
        Ok(())
    }

    pub(super) async fn install(&self, call: &Header<'_>, name: ServiceName) -> Result<bool, ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        Ok(self.controller.install(name).await? == Change::Changed)
    }

    pub(super) async fn uninstall(&self, call: &Header<'_>, name: ServiceName) -> Result<(), ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        self.controller.uninstall(name).await?;
        Ok(())
    }

    pub(super) async fn set_option(
        &self,
        call: &Header<'_>,
        name: ServiceName,
        option: &str,
        value: &str,
    ) -> Result<bool, ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        self.change_option(name, option, value).await
    }

    /// Changes an option to what is read once they are let in who ask for it: that counts as long as it takes.
    pub(super) async fn set_secret_option(
        &self,
        call: &Header<'_>,
        name: ServiceName,
        option: &str,
        value: OwnedFd,
    ) -> Result<bool, ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        self.change_option(name, option, &take_text(value).await?).await
    }

    /// Which of these values could not be given to these options one after another, and why.
    pub(super) async fn check_options(
        &self,
        call: &Header<'_>,
        name: ServiceName,
        values: Vec<(String, String)>,
    ) -> Result<Vec<(u32, String)>, ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        if values.len() > options::MOST_CHECKED {
            return Err(ApiError::Invalid(format!("more than {} options at once", options::MOST_CHECKED)));
        }
        let (mut wrong, mut changes, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (option, value)) in (0..).zip(values) {
            match options::parse(&option, &value) {
                Ok(Some(change)) => changes.push(OptionChange::Common(change)),
                Ok(None) => changes.push(OptionChange::Own(option, OptionText::new(&value))),
                Err(cause) => {
                    wrong.push((place, refusal::text(&cause)));
                    continue;
                }
            }
            places.push(place);
        }
        let rehearsed = self.controller.rehearse(name, changes).await?;
        let refused = places.into_iter().zip(rehearsed);
        wrong.extend(refused.filter_map(|(place, done)| Some((place, refusal::text(&done.err()?.into())))));
        wrong.sort();
        Ok(wrong)
    }

    async fn change_option(&self, name: ServiceName, option: &str, value: &str) -> Result<bool, ApiError> {
        let changed = match options::parse(option, value)? {
            Some(change) => self.controller.change(name, change).await?,
            None => self.controller.set_option(name, option.to_owned(), OptionText::new(value)).await?,
        };
        Ok(changed == Change::Changed)
    }

    pub(super) async fn reset_option(
        &self,
        call: &Header<'_>,
        name: ServiceName,
        option: &str,
    ) -> Result<bool, ApiError> {
        let _visit = self.door.enter(call, Right::Manage).await?;
        Ok(self.controller.reset_option(name, option.to_owned()).await? == Change::Changed)
    }

    pub(super) async fn options(
        &self,
        call: &Header<'_>,
        name: ServiceName,
    ) -> Result<Vec<OptionProperties>, ApiError> {
        let _visit = self.door.enter(call, Right::Anybody).await?;
        Ok(self.controller.options(name).await?.into_iter().map(catalog::option).collect())
    }

    pub(super) async fn connection_info(
        &self,
        call: &Header<'_>,
        name: ServiceName,
    ) -> Result<ConnectionProperties, ApiError> {
        let _visit = self.door.enter(call, Right::Inspect).await?;
        Ok(catalog::connection(&self.controller.connection_info(name).await?))
    }

    pub(super) async fn secrets(&self, call: &Header<'_>, name: ServiceName) -> Result<OwnedFd, ApiError> {
        let _visit = self.door.enter(call, Right::Reveal).await?;
        let options = self.controller.options(name.clone()).await?;
        let secrets: Secrets = catalog::secrets(options, &self.controller.connection_info(name).await?);
        let text = serde_json::to_vec(&secrets).map(Zeroizing::new);
        hand_over(&text.map_err(|cause| ApiError::Failed(cause.to_string()))?)
    }

    pub(super) async fn address(&self, call: &Header<'_>, name: ServiceName) -> Result<String, ApiError> {
        let _visit = self.door.enter(call, Right::Inspect).await?;
        let picture = self.controller.snapshot();
        let service = picture.services.get(&name).ok_or(RequestError::Unknown(name))?;
        Ok(service.address.display_unredacted())
    }
}

/// A secret on its way to whoever asked.
pub(super) fn hand_over(secret: &[u8]) -> Result<OwnedFd, ApiError> {
    let handed =
        api::hand_over(secret).map_err(|cause| ApiError::Failed(format!("cannot hand over a secret: {cause}")))?;
    Ok(handed.into())
}

/// What was handed over.
pub(super) async fn take(from: OwnedFd) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let taken = api::take(from.into(), MAX_SECRET).await;
    taken.map_err(|cause| ApiError::Invalid(format!("cannot read what was handed over: {cause}")))
}

/// The text that was handed over.
pub(super) async fn take_text(from: OwnedFd) -> Result<Zeroizing<String>, ApiError> {
    let bytes = take(from).await?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| ApiError::Invalid("what was handed over is no text".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}
