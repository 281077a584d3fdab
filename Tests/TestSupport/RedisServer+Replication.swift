// SPDX-License-Identifier: Apache-2.0

/// A primary with replicas, which change roles. All calls block.
extension RedisServer {
    /// Starts a server that follows another one, and waits until it has a copy.
    package convenience init(replicaOf primary: RedisServer, port: UInt16? = nil, options: [String] = []) throws {
        try self.init(
            password: primary.password,
            port: port,
            options: (primary.password.map { ["--masterauth", $0] } ?? [])
                + ["--replicaof", "127.0.0.1", "\(primary.port)"] + options
        )
        try self.catchUp(with: primary)
        // A replica has its copy before it tells the primary so, which it does once a second: until then the primary
        // still counts it as one that is to follow. WAIT counts those that do.
        try Self.poll("the primary does not count its replica") { (try? primary.command("WAIT 1 1")) == ":1" }
    }

    /// `redis://` with the addresses of both.
    package func url(with other: RedisServer) -> String {
        "\(self.url),127.0.0.1:\(other.port)"
    }

    /// Makes it a primary, whatever it was.
    package func promote() throws {
        try self.expect("+OK", "REPLICAOF NO ONE")
    }

    /// Makes it a replica. Whoever is connected stays so.
    package func follow(_ primary: RedisServer) throws {
        try self.expect("+OK", "REPLICAOF 127.0.0.1 \(primary.port)")
    }

    /// Closes the connections of all clients but replicas, as Sentinel does after it has changed a role.
    package func dropClients() throws {
        let answer = try self.command("CLIENT KILL TYPE normal")
        guard answer.hasPrefix(":") else { throw Failure(description: "CLIENT KILL was answered with \(answer)") }
    }

    /// Waits until everything that was written to the primary so far is here.
    package func catchUp(with primary: RedisServer) throws {
        let mark = "test-mark-\(UInt64.random(in: .min ... .max))"
        try primary.expect("+OK", "SET \(mark) 1 PX 60000")
        try Self.poll("the replica does not follow") { (try? self.command("EXISTS \(mark)")) == ":1" }
    }
}
