// SPDX-License-Identifier: Apache-2.0

import Messaging
import Redis

/// The registry: which device of a user has its session on which edge.
///
/// Redis holds nothing here that the edges cannot write again (contract C6). Any task or thread may call.
package struct SessionRegistry: Sendable {
    /// How long what an edge wrote stays, should the edge never come back to it.
    package struct Lifetimes: Sendable {
        /// Of a user's entries, from the last registration of any of the user's devices. An edge refreshes the
        /// entries of its sessions well before; see ``EdgeRegistration``.
        package var entry: Duration = .seconds(24 * 3600)
        /// Of a completeness marker, from its last renewal. An edge that cannot reach Redis any more stops being
        /// taken for complete after this time.
        package var marker: Duration = .seconds(10)
        /// For a refill: when it takes longer, it has failed.
        package var refill: Duration = .seconds(60)

        package init() {}
    }

    private let connection: RedisConnection
    private let keys: DirectoryKeys
    private let lifetimes: Lifetimes

    /// - Parameter cluster: The cluster's name: two clusters may share one Redis.
    package init(connection: RedisConnection, cluster: String, lifetimes: Lifetimes = Lifetimes()) {
        self.connection = connection
        self.keys = DirectoryKeys(cluster: cluster)
        self.lifetimes = lifetimes
    }

    /// The life of the registry that this node writes to and reads from at this moment, or did last.
    package var life: RegistryLife {
        let state = self.connection.state
        return RegistryLife(serverRunID: state.serverRunID, reign: state.reign)
    }

    // MARK: - Single sessions

    /// Registers the session of a device in place of whichever was registered before.
    ///
    /// - Returns: The location that was replaced; nil when there was none, or none that could be understood.
    /// - Throws: `.newerSession` when the device has gone elsewhere while this was on its way. `.tooManyDevices` at
    ///   ``DirectoryLimits/devicesPerUserMax``. After `.outcomeUnknown` the entry may be there or not.
    @discardableResult
    package func register(
        _ user: UserID,
        _ device: DeviceID,
        _ location: SessionLocation
    ) async throws(DirectoryError) -> SessionLocation? {
        try Self.checkName(location.edge)
        let registration = SessionRegistration(user: user, device: device, location: location)
        var call = self.registrationCall(registration)
        let now = WallClock.now()
        let age = now - min(now, location.session.timestamp ?? now)
        call.arguments.append(String(age + Self.registrationMillisecondsMax))
        let reply = try await self.connection.carryOut(SessionScripts.register, [call]).first
        return reply?.bytes.flatMap { SessionLocation(stored: $0) }
    }

    /// How long a registration may be on its way to Redis.
    private static let registrationMillisecondsMax: UInt64 = 5000

    /// Removes the entry of a device, but only if it is this one still.
    ///
    /// For a session that closed, and for an entry that turned out to be void.
    ///
    /// - Returns: Whether it was this one.
    @discardableResult
    package func unregister(
        _ user: UserID,
        _ device: DeviceID,
        _ location: SessionLocation
    ) async throws(DirectoryError) -> Bool {
        let reply = try await self.connection.carryOut(
            SessionScripts.unregister,
            keys: [self.keys.user(user)],
            arguments: [device.description, location.stored]
        )
        return reply.integer == 1
    }

    // MARK: - Refill

    /// Registers the sessions of an edge that are not registered, in pipelines of
    /// ``DirectoryLimits/registrationsPerBatchMax``, and prolongs the life of those that are.
    ///
    /// An entry of a newer session, on this or another edge, stays (session ids carry the time; two edges whose clocks
    /// disagree can misjudge sessions that began within that disagreement).
    ///
    /// - Returns: The entries that stayed, each as it is in the registry: there the device is said to be elsewhere.
    @discardableResult
    package func registerAll(
        _ registrations: [SessionRegistration]
    ) async throws(DirectoryError) -> [SessionRegistration] {
        var newer: [SessionRegistration] = []
        for start in stride(from: 0, to: registrations.count, by: DirectoryLimits.registrationsPerBatchMax) {
            let batch = registrations[start...].prefix(DirectoryLimits.registrationsPerBatchMax)
            for registration in batch {
                try Self.checkName(registration.location.edge)
            }
            let replies = try await self.connection.carryOut(
                SessionScripts.registerUnlessNewer,
                batch.map(self.registrationCall)
            )
            for (registration, reply) in zip(batch, replies) {
                guard let held = reply.bytes.flatMap({ SessionLocation(stored: $0) }) else { continue }
                newer.append(
                    SessionRegistration(user: registration.user, device: registration.device, location: held)
                )
            }
        }
        return newer
    }

    /// Registers all sessions of an edge, then sets its completeness marker.
    ///
    /// - Parameter registrations: Every session that the edge has at this moment. One that opens later registers
    ///   itself; when that fails, the edge is no longer complete (``EdgeRegistration/registrationFailed()``).
    /// - Returns: As ``registerAll(_:)``.
    @discardableResult
    package func refill(
        _ life: EdgeLife,
        _ registrations: [SessionRegistration]
    ) async throws(DirectoryError) -> [SessionRegistration] {
        let refill = try await self.beginRefill(of: life)
        let newer = try await self.registerAll(registrations)
        try await self.endRefill(refill)
        return newer
    }

    /// A refill that is under way.
    package struct Refill: Sendable {
        fileprivate var life: EdgeLife
        fileprivate var name: String
        /// If the server restarts meanwhile, the marker names the life that is over and does not count.
        fileprivate var serverRunID: String
    }

    /// To be called before the first registration that the marker is to vouch for.
    package func beginRefill(of life: EdgeLife) async throws(DirectoryError) -> Refill {
        try Self.checkName(life.edge)
        let name = "\(life.incarnation)|\(UInt64.random(in: .min ... .max))"
        let refill = Refill(life: life, name: name, serverRunID: self.connection.state.serverRunID)
        let reply = try await self.connection.carryOut([
            RedisCommand("SET", self.keys.refill(life.edge), name, "PX", self.lifetimes.refill.redisMilliseconds)
        ]).first
        if let text = reply?.errorText { throw DirectoryError(refusal: text) }
        return refill
    }

    /// Sets the completeness marker, in place of an earlier life's if there is one.
    ///
    /// - Throws: `.refused` when Redis was emptied since the refill began, and with it what was registered.
    package func endRefill(_ refill: Refill) async throws(DirectoryError) {
        let marker = CompletenessMarker(incarnation: refill.life.incarnation, serverRunID: refill.serverRunID)
        let reply = try await self.connection.carryOut(
            SessionScripts.setMarkerAfterRefill,
            keys: [self.keys.complete(refill.life.edge), self.keys.refill(refill.life.edge)],
            arguments: [marker.stored, self.lifetimes.marker.redisMilliseconds, refill.name]
        )
        guard reply.integer == 1 else {
            throw DirectoryError(.refused, "Redis was emptied while the sessions were registered, or it took too long.")
        }
    }

    // MARK: - Completeness

    /// Prolongs the marker of an edge if it still stands.
    ///
    /// - Returns: False when it does not: it was never set, it expired, or Redis was emptied or restarted.
    package func renewComplete(_ life: EdgeLife) async throws(DirectoryError) -> Bool {
        let marker = CompletenessMarker(incarnation: life.incarnation, serverRunID: self.connection.state.serverRunID)
        let reply = try await self.connection.carryOut(
            SessionScripts.prolongMarker,
            keys: [self.keys.complete(life.edge)],
            arguments: [marker.stored, self.lifetimes.marker.redisMilliseconds]
        )
        return reply.integer == 1
    }

    /// Whether the marker of an edge stands.
    package func isComplete(_ life: EdgeLife) async throws(DirectoryError) -> Bool {
        let reply = try await self.connection.carryOut([RedisCommand("GET", self.keys.complete(life.edge))]).first
        if let text = reply?.errorText { throw DirectoryError(refusal: text) }
        let marker = CompletenessMarker(incarnation: life.incarnation, serverRunID: self.connection.state.serverRunID)
        return reply?.text == marker.stored
    }

    /// Takes the marker of an edge away, but not that of another life of it.
    ///
    /// - Returns: Whether it stood.
    @discardableResult
    package func clearComplete(_ life: EdgeLife) async throws(DirectoryError) -> Bool {
        let reply = try await self.connection.carryOut(
            SessionScripts.clearMarker,
            keys: [self.keys.complete(life.edge)],
            arguments: [life.incarnation.description]
        )
        return reply.integer == 1
    }

    // MARK: - Reading

    /// Reads where the devices of users are, in one round trip.
    ///
    /// - Parameters:
    ///   - users: At most ``DirectoryLimits/usersPerReadMax``; more fail with `.tooLarge`.
    ///   - edges: The names of the edges whose completeness is wanted: all that live.
    ///   - completion: Called exactly once: on the Redis thread, where it must not block; or, when the read is refused
    ///     at once, before this returns.
    package func locations(
        of users: [UserID],
        completenessOf edges: [String],
        completion: @escaping @Sendable (Result<AudienceSnapshot, DirectoryError>) -> Void
    ) {
        let read: AudienceRead
        do throws(DirectoryError) {
            read = try AudienceRead(users: users, edges: edges)
        } catch {
            return completion(.failure(error))
        }
        self.connection.send(read.commands(self.keys)) { [connection] result in
            // On the Redis thread the connection is still the one that gave these answers.
            let serverRunID = connection.state.serverRunID
            completion(
                result.mapError { DirectoryError($0) }.flatMap { replies in
                    Result { () throws(DirectoryError) in try read.snapshot(replies, serverRunID: serverRunID) }
                }
            )
        }
    }

    /// Reads where the devices of users are; see ``locations(of:completenessOf:completion:)``.
    package func locations(
        of users: [UserID],
        completenessOf edges: [String]
    ) async throws(DirectoryError) -> AudienceSnapshot {
        let result = await withCheckedContinuation { continuation in
            self.locations(of: users, completenessOf: edges) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    // MARK: - Private

    private func registrationCall(_ registration: SessionRegistration) -> RedisScript.Call {
        RedisScript.Call(
            keys: [self.keys.user(registration.user)],
            arguments: [
                registration.device.description,
                registration.location.stored,
                self.lifetimes.entry.redisMilliseconds,
                String(DirectoryLimits.devicesPerUserMax),
            ]
        )
    }

    /// A name that could not be read back is not written.
    private static func checkName(_ name: String) throws(DirectoryError) {
        guard !name.isEmpty, name.utf8.count <= DirectoryLimits.nodeNameBytesMax else {
            throw DirectoryError(
                .tooLarge,
                "The name of an edge has to be 1 to \(DirectoryLimits.nodeNameBytesMax) bytes long."
            )
        }
    }
}
