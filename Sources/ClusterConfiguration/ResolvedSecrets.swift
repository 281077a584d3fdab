// SPDX-License-Identifier: Apache-2.0

/// The values of a cluster's secrets. Read once at start; never written anywhere.
package struct ResolvedSecrets: Sendable {
    package var mesh: Secret
    package var token: Secret
    package var adminRead: Secret?
    package var adminOperate: Secret?
    package var redisPassword: Secret?
    package var sentinelPassword: Secret?
    /// By the shard's name; only those that have a password of their own.
    package var shardPasswords: [String: Secret]

    package init(mesh: Secret, token: Secret, redisPassword: Secret?, shardPasswords: [String: Secret]) {
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

    /// Reads every secret from its source; throws all problems at once. An edge has no business with Postgres and takes
    /// no orders from people, so the shards' passwords and the admin secrets are left out for it.
    package func resolveSecrets(
        environment: [String: String],
        for role: Role? = nil
    ) throws(ConfigurationError) -> ResolvedSecrets {
        let (secrets, problems) = self.readSecrets(environment: environment, for: role)
        guard problems.isEmpty else { throw ConfigurationError(file: "secrets", problems: problems) }
        return secrets
    }

    /// The same for whoever goes on with what there is: a secret that cannot be had is missing, those of the mesh and of
    /// the tokens are empty then.
    package func readSecrets(
        environment: [String: String],
        for role: Role? = nil
    ) -> (secrets: ResolvedSecrets, problems: [ConfigurationProblem]) {
        var reader = SecretReader(folder: self.folder, environment: environment)
        let mesh = reader.read(self.secrets.mesh, at: "secrets.mesh_secret", bytesMin: Self.secretBytesMin)
        let token = reader.read(self.secrets.token, at: "secrets.token_secret", bytesMin: Self.secretBytesMin)
        var admin: [Secret?] = [nil, nil]
        if role != .edge {
            admin = [(self.secrets.adminRead, "admin_read"), (self.secrets.adminOperate, "admin_operate")].map {
                source,
                name in
                source.flatMap {
                    reader.read($0, at: "secrets.\(name)", bytesMin: Self.secretBytesMin, isText: true)
                }
            }
        }
        let redis = self.redis.password.flatMap { reader.read($0, at: "redis.password", isText: true) }
        var shards: [String: Secret] = [:]
        for (index, shard) in self.shards.enumerated() where role != .edge {
            guard let source = shard.password else { continue }
            shards[shard.name] = reader.read(source, at: "shards[\(index)].password", isText: true)
        }
        var secrets = ResolvedSecrets(
            mesh: mesh ?? Secret(bytes: []),
            token: token ?? Secret(bytes: []),
            redisPassword: redis,
            shardPasswords: shards
        )
        (secrets.adminRead, secrets.adminOperate) = (admin[0], admin[1])
        secrets.sentinelPassword = self.redis.sentinelPassword.flatMap {
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
