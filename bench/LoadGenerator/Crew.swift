// SPDX-License-Identifier: Apache-2.0

import LoadModel
import NIOCore

/// Who carries out a run: the event loops of this process, or other processes. `LoadRun` says what is done when.
///
/// The calls come one after the other, in the order of this list.
protocol Crew: Sendable {
    /// Users and conversations.
    func populate() async throws
    /// Opens all sessions, and waits until they are up to date.
    func connect() async throws
    /// The time that all others are counted from. Nothing is sent before ``add(_:)``.
    func start(at time: NIODeadline) async throws
    /// More to send. Throws when there is no room for it.
    func add(_ stretch: SendSchedule.Stretch) async throws
    /// - Parameter takesRecent: Whether counts are told, and the latencies since the last time that they were.
    func state(takesRecent: Bool) async throws -> CrewState
    /// Nobody comes or goes any more.
    func settle() async throws
    /// Devices times conversations that have not everything that was acknowledged.
    ///
    /// - Parameter asks: Whether they are to ask for it.
    func incomplete(asks: Bool) async throws -> Int
    /// What became of one stretch so far.
    func stretch(_ index: Int) async throws -> StretchOutcome
    /// Closes the sessions and audits.
    ///
    /// - Parameter isWhole: Whether all was sent and waited for; otherwise only what was seen while it ran is told.
    func finish(isWhole: Bool) async throws -> RunOutcome
    /// Gives everything up. May be called at any time, and is called at the end in any case.
    func stop() async
    /// Memory and processor time of all processes of the load generator.
    func sample(at time: Int64) -> NodeSamples.Sample?
}

/// Why a run cannot go on; the description says what to do.
struct CrewError: Error, CustomStringConvertible {
    var description: String
}
