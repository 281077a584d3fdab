// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A Lua script that the server keeps and knows by its digest.
///
/// The digest depends on the text alone, so it stays true over restarts of the server; what a restart loses is the
/// script, which is then sent again.
package final class RedisScript: Sendable {
    package let source: String
    /// As the server computed it; nil before the first use.
    private let digest = Mutex<String?>(nil)

    package init(_ source: String) {
        self.source = source
    }

    /// One call of the script.
    package struct Call: Sendable {
        package var keys: [String]
        package var arguments: [String]

        package init(keys: [String], arguments: [String]) {
            self.keys = keys
            self.arguments = arguments
        }

        fileprivate func command(_ name: String, _ script: String) -> RedisCommand {
            RedisCommand(name, [script, String(self.keys.count)] + self.keys + self.arguments)
        }
    }

    fileprivate func digest(on connection: RedisConnection) async throws(RedisError) -> String {
        if let digest = self.digest.withLock({ $0 }) { return digest }
        let reply = try await connection.send([RedisCommand("SCRIPT", "LOAD", self.source)]).first
        guard let digest = reply?.text, digest.utf8.count == 40 else {
            throw RedisError(.protocolViolation, "Redis did not take a script: \(reply?.errorText ?? "no digest").")
        }
        self.digest.withLock { $0 = digest }
        return digest
    }
}

extension RedisConnection {
    /// Calls a script once for each element, in one pipeline. The caller bounds how many.
    ///
    /// When the server has forgotten the script (`NOSCRIPT`), the calls that did not happen are made again with its
    /// text; a call that happened is never repeated.
    package func evaluate(_ script: RedisScript, _ calls: [RedisScript.Call]) async throws(RedisError) -> [RedisValue] {
        guard !calls.isEmpty else { return [] }
        let digest = try await script.digest(on: self)
        var replies = try await self.send(calls.map { $0.command("EVALSHA", digest) })
        let forgotten = replies.indices.filter { replies[$0].errorText?.hasPrefix("NOSCRIPT") == true }
        guard let first = forgotten.first else { return replies }
        // The first call brings the text along, and the others come after it on the same connection.
        let again =
            [calls[first].command("EVAL", script.source)]
            + forgotten.dropFirst().map { calls[$0].command("EVALSHA", digest) }
        for (index, reply) in zip(forgotten, try await self.send(again)) {
            replies[index] = reply
        }
        return replies
    }
}
