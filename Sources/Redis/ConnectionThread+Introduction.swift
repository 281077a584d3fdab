// SPDX-License-Identifier: Apache-2.0

extension ConnectionThread {
    /// Asks a sentinel where the primary is.
    func ask(_ sentinel: RedisAddress) throws(RedisError) -> RedisAddress {
        guard case .sentinels(_, let primaryName, let password) = self.configuration.endpoint.place else {
            throw RedisError(.unavailable, "There is no sentinel to be asked.")
        }
        let name = "The sentinel at \(sentinel)"
        var context = try HiredisContext(sentinel, named: name, configuration: self.configuration)
        var commands = password.map { [RedisCommand("AUTH", $0)] } ?? []
        commands.append(SentinelAnswer.question(primaryName))
        let replies = try self.exchange(&context, commands, with: name)
        if replies.count > 1, let text = replies.first?.errorText {
            throw RedisError(.authenticationRefused, "\(name) refuses the password: \(text.prefix(200)).")
        }
        return try SentinelAnswer.address(in: replies.last, sentinel: sentinel, primaryName: primaryName)
    }

    /// Password, database, and whether the server is ready to answer and the primary.
    func introduce(_ context: inout HiredisContext, _ address: RedisAddress) throws(RedisError) -> ServerIdentity {
        let endpoint = self.configuration.endpoint
        let name = "Redis at \(address)"
        var commands: [RedisCommand] = []
        if let password = endpoint.password {
            commands.append(RedisCommand("AUTH", [endpoint.username, password].compactMap { $0 }))
        }
        if endpoint.database != 0 {
            commands.append(RedisCommand("SELECT", String(endpoint.database)))
        }
        // PING is refused while the server loads its data, INFO is not.
        commands += [RedisCommand("PING"), RedisCommand("INFO", "server"), Self.roleQuestion]
        let replies = try self.exchange(&context, commands, with: name)
        for reply in replies.dropLast(2) {
            guard let text = reply.errorText else { continue }
            let isLoading = text.hasPrefix("LOADING") || text.hasPrefix("BUSY") || text.hasPrefix("MASTERDOWN")
            throw RedisError(
                isLoading ? .unavailable : .authenticationRefused,
                "\(name) refuses the connection: \(text.prefix(200))."
            )
        }
        let (server, replication) = (replies[replies.count - 2], replies[replies.count - 1])
        let identity = ServerIdentity(server: server, replication: replication)
        try self.checkRole(identity, name, refusal: replication.errorText)
        return identity
    }

    /// Asked in the introduction, and now and then again.
    static let roleQuestion = RedisCommand("INFO", "replication")

    private func checkRole(_ identity: ServerIdentity, _ name: String, refusal: String?) throws(RedisError) {
        guard !self.configuration.acceptsAnyRole else { return }
        switch identity.role {
        case .primary: return
        case .replica:
            throw RedisError(.notPrimary, "\(name) is a replica.")
        case .sentinel:
            throw RedisError(.notPrimary, "\(name) is a sentinel, and was taken for a server.")
        case .unknown:
            // A single server may stand behind a proxy that does not tell, and there is no other to be tried.
            guard self.configuration.endpoint.place.isChoice else { return }
            let reason = refusal.map { ": \($0.prefix(200))" } ?? ""
            throw RedisError(
                .notPrimary,
                "\(name) does not say whether it is the primary\(reason); the user must be allowed INFO."
            )
        }
    }

    private func exchange(
        _ context: inout HiredisContext,
        _ commands: [RedisCommand],
        with name: String
    ) throws(RedisError) -> [RedisValue] {
        for command in commands {
            try context.append(command)
        }
        var replies: [RedisValue] = []
        do throws(RedisError) {
            try self.exchange(&context, replyCount: commands.count) { replies.append($0) }
        } catch {
            // With several addresses it matters which one it was.
            throw RedisError(error.code, "\(name) cannot be used: \(error.message)")
        }
        guard replies.count == commands.count else {
            throw RedisError(.protocolViolation, "\(name) left a question without an answer.")
        }
        return replies
    }
}

extension RedisEndpoint.Place {
    /// Whether there is more than one server that may be the primary.
    fileprivate var isChoice: Bool {
        switch self {
        case .servers(let addresses): addresses.count > 1
        case .sentinels: true
        }
    }
}
