//! The kinds of path of the matrix.

/// A kind of path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Rest,
    /// A protected path behind Confluence's rewrite of static files.
    Rewritten,
    Rpc,
    Soap,
    /// A protected path that pages ask for before anybody has logged in.
    Preset,
    /// A protected path where the JWT of an application link is a credential.
    Companion,
    Page,
    Attachment,
    WebDav,
    Status,
    Login,
    Setup,
    Static,
}

/// A column of the table.
#[derive(PartialEq, Eq)]
pub(super) enum Column {
    Protected,
    Content,
    Open,
}

impl Place {
    pub(super) const ALL: [Self; 13] = [
        Self::Rest,
        Self::Rewritten,
        Self::Rpc,
        Self::Soap,
        Self::Preset,
        Self::Companion,
        Self::Page,
        Self::Attachment,
        Self::WebDav,
        Self::Status,
        Self::Login,
        Self::Setup,
        Self::Static,
    ];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Rest => "/rest/standin/1.0/echo",
            Self::Rewritten => "/s/h/_/rest/standin/1.0/echo",
            Self::Rpc => "/rpc/xmlrpc",
            Self::Soap => "/plugins/servlet/soap-axis1/confluenceservice-v2",
            Self::Preset => "/rest/authconfig/1.0/login-options",
            Self::Companion => "/rest/token-auth/api/edit",
            Self::Page => "/display/DS/Home",
            Self::Attachment => "/download/attachments/zeros/10",
            Self::WebDav => "/plugins/servlet/confluence/default/DS",
            Self::Status => "/status",
            Self::Login => "/login.action",
            Self::Setup => "/setup/setupstart.action",
            Self::Static => "/s/h/_/download/batch/a.css",
        }
    }

    pub(super) const fn is_rpc(self) -> bool {
        matches!(self, Self::Rpc | Self::Soap)
    }

    pub(super) const fn column(self) -> Column {
        match self {
            Self::Rest | Self::Rewritten | Self::Rpc | Self::Soap | Self::Preset | Self::Companion => {
                Column::Protected
            }
            Self::Page | Self::Attachment | Self::WebDav => Column::Content,
            Self::Status | Self::Login | Self::Setup | Self::Static => Column::Open,
        }
    }
}
