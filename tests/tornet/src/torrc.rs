// SPDX-License-Identifier: GPL-3.0-or-later
//! The lines of every torrc. That no tor leaves the machine is decided here.

use crate::authority::Authority;

/// Half an hour: the period of the votes, and the raster on which the first one is placed.
// Tor wants it to divide 30 minutes. The raster must be the period, so that the consensus is fresh
// for exactly this long: tor takes the length of the onion services' time period from it.
pub(crate) const VOTING_INTERVAL_SECONDS: u64 = 1800;

/// Seconds for the votes, and again for the signatures: the least that tor allows.
pub(crate) const VOTE_DELAY_SECONDS: u64 = 2;

/// What makes any tor a member of a private network, and keeps it there.
///
/// With `TestingTorNetwork` tor wants `DirAuthority` lines and forgets the real authorities;
/// with `OutboundBindAddress` on the loopback the system refuses every route off the machine.
const MEMBER: &str = "\
TestingTorNetwork 1
Address 127.0.0.1
OutboundBindAddress 127.0.0.1
AddressDisableIPv6 1
UseDefaultFallbackDirs 0
GeoIPFile /dev/null
GeoIPv6File /dev/null
PathsNeededToBuildCircuits 0.67
LearnCircuitBuildTimeout 0
CircuitBuildTimeout 15
ShutdownWaitLength 0
NumCPUs 1
SafeLogging 0
LogTimeGranularity 1
";

/// An authority that does not exist, for a tor without a network: nothing is known, nobody is asked.
const NOWHERE: &str = "\
DirAuthority nowhere orport=9 no-v2 v3ident=0000000000000000000000000000000000000001 \
127.0.0.1:9 0000000000000000000000000000000000000001
";

/// Relays and authorities. None of them is an exit, none asks a name server.
const RELAY: &str = "\
SocksPort 0
AssumeReachable 1
ExitRelay 0
ExitPolicy reject *:*
ServerDNSResolvConfFile /dev/null
ServerDNSDetectHijacking 0
ServerDNSAllowBrokenConfig 1
DoSCircuitCreationEnabled 0
DoSConnectionEnabled 0
DoSRefuseSingleHopClientRendezvous 0
DirReqStatistics 0
HiddenServiceStatistics 0
OverloadStatistics 0
ExtraInfoStatistics 0
";

/// Authorities. Every relay gets the flags that it needs at once.
const AUTHORITY: &str = "\
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
V3AuthNIntervalsValid 48
TestingAuthDirTimeToLearnReachability 0
AuthDirTestReachability 0
AuthDirSharedRandomness 0
AuthDirMaxServersPerAddr 0
MinUptimeHidServDirectoryV2 0 seconds
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinFastFlagThreshold 0
";

/// The lines for a member of the network of these authorities.
pub(crate) fn member(authorities: &[Authority]) -> String {
    authorities.iter().fold(MEMBER.to_owned(), |lines, authority| lines + &authority.line() + "\n")
}

/// The lines for a tor without a network.
pub(crate) fn offline() -> String {
    format!("DisableNetwork 1\n{MEMBER}{NOWHERE}")
}

/// The lines, besides [`member`], for a relay.
pub(crate) fn relay(nickname: &str, or_port: u16) -> String {
    format!("Nickname {nickname}\nORPort 127.0.0.1:{or_port} IPv4Only\n{RELAY}")
}

/// The lines, besides [`relay`], for an authority.
///
/// `offset_seconds` places the first vote, see [`vote_offset`].
pub(crate) fn authority(dir_port: u16, offset_seconds: u64) -> String {
    format!(
        "{AUTHORITY}DirPort 127.0.0.1:{dir_port} IPv4Only\n\
         V3AuthVotingInterval {VOTING_INTERVAL_SECONDS}\n\
         TestingV3AuthInitialVotingInterval {VOTING_INTERVAL_SECONDS}\n\
         TestingV3AuthVotingStartOffset {offset_seconds}\n\
         V3AuthVoteDelay {VOTE_DELAY_SECONDS}\n\
         V3AuthDistDelay {VOTE_DELAY_SECONDS}\n\
         TestingV3AuthInitialVoteDelay {VOTE_DELAY_SECONDS}\n\
         TestingV3AuthInitialDistDelay {VOTE_DELAY_SECONDS}\n"
    )
}

/// The `TestingV3AuthVotingStartOffset` for a consensus at this time (seconds since 1970).
pub(crate) fn vote_offset(consensus_at: u64) -> u64 {
    consensus_at % VOTING_INTERVAL_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_torrc_lets_a_tor_leave_the_machine() {
        for lines in [member(&[]), offline()] {
            for safety in ["TestingTorNetwork 1\n", "OutboundBindAddress 127.0.0.1\n", "UseDefaultFallbackDirs 0\n"] {
                assert!(lines.contains(safety), "{safety} is missing in\n{lines}");
            }
        }
        assert!(offline().starts_with("DisableNetwork 1\n"));
    }
}
