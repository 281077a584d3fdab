// SPDX-License-Identifier: Apache-2.0

/// The values of a cluster's secrets, as far as they were needed. Read once at start; never written anywhere.
package struct ResolvedSecrets: Sendable {
    /// Nil where it was not needed, as are all the others.
    package var mesh: Secret?
    package var token: Secret?
    package var adminRead: Secret?
    package var adminOperate: Secret?
    package var redisPassword: Secret?
    package var sentinelPassword: Secret?
    /// By the shard's name; only those that have a password of their own.
    package var shardPasswords: [String: Secret]

    package init(mesh: Secret?, token: Secret?, redisPassword: Secret?, shardPasswords: [String: Secret]) {
        self.mesh = mesh
        self.token = token
        self.redisPassword = redisPassword
        self.shardPasswords = shardPasswords
    }

    /// What libpq is given for a shard, with its password.
    package func connection(to shard: ClusterSettings.Shard) -> Secret {
        guard let password = self.shardPasswords[shard.name] else { return Secret(shard.connection.exposedText) }
        return shard.connection.adding(password: password)
    }
}

extension ClusterSettings {
    /// Bytes of the mesh's and the tokens' secret.
    package static let secretBytesMin = 16
    /// Bytes of a file that holds a secret.
    package static let secretBytesMax = 4096

    /// Reads the secrets that are needed, each from its source; throws all problems at once.
    package func resolveSecrets(
        environment: [String: String],
        for needs: SecretNeeds = .all
    ) throws(ConfigurationError) -> ResolvedSecrets {
        let (secrets, problems) = self.readSecrets(environment: environment, for: needs)
        guard problems.isEmpty else { throw ConfigurationError(file: "secrets", problems: problems) }
        return secrets
    }

    /// The same for whoever goes on with what there is: a secret that cannot be had is missing.
    package func readSecrets(
        environment: [String: String],
        for needs: SecretNeeds = .all
    ) -> (secrets: ResolvedSecrets, problems: [ConfigurationProblem]) {
        var reader = SecretReader(folder: self.folder, environment: environment)
        func read(_ need: SecretNeeds, _ source: SecretSource?, _ key: String, isText: Bool = false) -> Secret? {
            guard needs.contains(need), let source else { return nil }
            return reader.read(source, at: "secrets.\(key)", bytesMin: Self.secretBytesMin, isText: isText)
        }
        let mesh = read(.mesh, self.secrets.mesh, "mesh_secret")
        let token = read(.token, self.secrets.token, "token_secret")
        let adminNeed: SecretNeeds = needs.contains(.oneOfAdmin) ? .oneOfAdmin : .admin
        let before = reader.problems.count
        let adminRead = read(adminNeed, self.secrets.adminRead, "admin_read", isText: true)
        let adminOperate = read(adminNeed, self.secrets.adminOperate, "admin_operate", isText: true)
        if adminNeed == .oneOfAdmin, adminRead != nil || adminOperate != nil {
            reader.problems.removeSubrange(before...)
        }
        let redis = needs.contains(.redis) ? self.redis.password : nil
        let redisPassword = redis.flatMap { reader.read($0, at: "redis.password", isText: true) }
        var shards: [String: Secret] = [:]
        for (index, shard) in self.shards.enumerated() where needs.contains(.shards) {
            guard let source = shard.password else { continue }
            shards[shard.name] = reader.read(source, at: "shards[\(index)].password", isText: true)
        }
        var secrets = ResolvedSecrets(mesh: mesh, token: token, redisPassword: redisPassword, shardPasswords: shards)
        (secrets.adminRead, secrets.adminOperate) = (adminRead, adminOperate)
        let sentinel = needs.contains(.redis) ? self.redis.sentinelPassword : nil
        secrets.sentinelPassword = sentinel.flatMap {
            reader.read($0, at: "redis.sentinel_password", isText: true)
        }
        return (secrets, reader.problems)
    }

    /// The files that hold secrets, each with the path of the key that names it.
    package var secretFiles: [(key: String, path: String)] {
        let sources: [(String, SecretSource?)] =
            [
                ("secrets.mesh_secret", self.secrets.mesh), ("secrets.token_secret", self.secrets.token),
                ("secrets.admin_read", self.secrets.adminRead), ("secrets.admin_operate", self.secrets.adminOperate),
                ("redis.password", self.redis.password),
                ("redis.sentinel_password", self.redis.sentinelPassword),
            ] + self.shards.enumerated().map { ("shards[\($0.offset)].password", $0.element.password) }
        return sources.compactMap { key, source in
            guard case .file(let file) = source else { return nil }
            return (key, SecretReader.path(of: file, in: self.folder))
        }
    }
}

private struct SecretReader {
    let folder: String
    let environment: [String: String]
    var problems: [ConfigurationProblem] = []

    /// `isText`: libpq and Redis are given text, which ends at a NUL.
    mutating func read(_ source: SecretSource, at path: String, bytesMin: Int = 1, isText: Bool = false) -> Secret? {
        guard let bytes = self.bytes(of: source, at: path) else { return nil }
        guard bytes.count >= bytesMin else {
            self.report(
                path,
                "the secret from \(source) has \(bytes.count) bytes",
                remedy: "use at least \(bytesMin), for example from `openssl rand -hex 32`"
            )
            return nil
        }
        if isText, bytes.contains(0) || String(validating: bytes, as: UTF8.self) == nil {
            self.report(path, "the password from \(source) is not text", remedy: "use UTF-8 without NUL")
            return nil
        }
        return Secret(bytes: bytes)
    }

    static func path(of file: String, in folder: String) -> String {
        file.hasPrefix("/") ? file : "\(folder)/\(file)"
    }

    private mutating func bytes(of source: SecretSource, at path: String) -> [UInt8]? {
        switch source {
        case .environment(let name):
            guard let value = self.environment[name] else {
                self.report(path, "the environment variable \(name) is not set", remedy: "set it before starting")
                return nil
            }
            return Array(value.utf8)
        case .file(let file):
            do {
                var bytes = try FileReading.read(
                    Self.path(of: file, in: self.folder),
                    bytesMax: ClusterSettings.secretBytesMax
                )
                if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
                if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
                return bytes
            } catch {
                self.report(path, error.message, remedy: error.remedy)
                return nil
            }
        }
    }

    private mutating func report(_ path: String, _ message: String, remedy: String) {
        self.problems.append(ConfigurationProblem(path, message, remedy: remedy))
    }
}
