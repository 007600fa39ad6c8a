//! The commands of an encoder (RTMP 1.0 §7.2).

use super::{Session, Stage};
use crate::event::{End, Event, Publish, StreamKey};
use crate::fault::Fault;
use crate::limits::NAME_BYTES_MAX;
use crate::message::{Command, Message};

impl Session {
    /// Handles a command. What is unknown, or cannot be read, is ignored.
    pub(super) fn command(&mut self, message: &Message) -> Result<(), Fault> {
        let Some(command) = Command::parse(message.kind, &message.body) else {
            return Ok(());
        };
        match command.name.as_str() {
            "connect" => self.connect(&command),
            "createStream" => self.reply_stream(command.transaction),
            "releaseStream" | "_checkbw" => self.reply_nothing(command.transaction),
            "FCPublish" => {
                self.reply_nothing(command.transaction);
                self.reply_fc_publish();
            }
            "publish" => self.publish(&command)?,
            "play" | "play2" => return Err(Fault::Play),
            "FCUnpublish" | "deleteStream" | "closeStream" => {
                if matches!(self.stage, Stage::Publishing) {
                    self.end(End::Finished);
                }
            }
            _ => {}
        }
        self.check_output()
    }

    fn connect(&mut self, command: &Command) {
        let app = command.member("app").unwrap_or_default();
        // Some encoders write the query of the URL, or slashes, into the name.
        let app = app.split('?').next().unwrap_or_default();
        let app = app.trim_matches('/');
        if app.len() <= NAME_BYTES_MAX {
            self.app = app.to_owned();
        }
        self.is_connected = true;
        self.reply_connected(command.transaction);
    }

    fn publish(&mut self, command: &Command) -> Result<(), Fault> {
        if !matches!(self.stage, Stage::Commands { .. }) {
            self.reply_second_publish();
            return Ok(());
        }
        if !self.is_connected {
            return Err(Fault::NotConnected);
        }
        let is_name = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len());
        if !is_name(&self.app) {
            return Err(Fault::Name { member: "app" });
        }
        let key = command.text().filter(|key| is_name(key));
        let key = key.ok_or(Fault::Name {
            member: "the stream key",
        })?;
        self.stage = Stage::Asked {
            transaction: command.transaction,
        };
        self.events.push_back(Event::Publish(Publish {
            app: self.app.clone(),
            key: StreamKey(key.to_owned()),
        }));
        Ok(())
    }
}
