// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Glibc
import Logging
import Messaging
import NIOCore
import Storage
import Threads

/// Collects what `trunkline doctor` judges: everything at once, each with the same time, and what cannot be had is part
/// of the answer. Changes nothing anywhere.
package struct DoctorCollector: Sendable {
    /// For names that resolve slowly, on top of the timeout.
    private static let resolvingTimeMax: Duration = .seconds(2)

    let settings: ClusterSettings
    /// Of the configuration, for passwords in it that everybody can read; nil when it is in no file.
    private let path: String?
    private let environment: [String: String]
    let group: any EventLoopGroup
    let timeout: Duration
    let now: @Sendable () -> UnixMilliseconds
    let logger: Logger

    /// - Parameters:
    ///   - environment: that secrets are read from.
    ///   - timeout: for each thing that is asked.
    ///   - now: our clock.
    package init(
        settings: ClusterSettings,
        path: String? = nil,
        environment: [String: String],
        group: any EventLoopGroup,
        timeout: Duration = .seconds(5),
        now: @escaping @Sendable () -> UnixMilliseconds = { WallClock.now() },
        logger: Logger
    ) {
        self.settings = settings
        self.path = path
        self.environment = environment
        self.group = group
        self.timeout = timeout
        self.now = now
        self.logger = logger
    }

    package func collect() async -> DoctorFacts {
        var facts = DoctorFacts(settings: self.settings)
        // Files, which block.
        let read = await self.blocking {
            let (secrets, problems) = self.settings.readSecrets(environment: self.environment)
            return (secrets, problems, self.lookAtMachine(secrets))
        }
        guard let (secrets, problems, machine) = read else {
            facts.secretProblems = [
                ConfigurationProblem(
                    "secrets",
                    "their files could not be read in time",
                    remedy: "see whether the file system that they are on answers"
                )
            ]
            return facts
        }
        facts.secretProblems = problems
        facts.machine = machine
        async let shards = self.surveyShards(secrets)
        await self.readRedis(secrets, into: &facts)
        // Who has joined is only known from the leases.
        let nodes = await self.locateNodes(facts.leases)
        let certificates = await self.readCertificates(of: nodes)
        (facts.certificates, facts.certificateTroubles) = (certificates.found, certificates.troubles)
        facts.credentials = certificates.credentials.map(\.node)
        facts.nodes = await self.visitNodes(nodes, secrets, certificates)
        facts.shards = await shards
        return facts
    }

    /// Carries out what blocks, and gives it up when it takes too long: names can be slow to resolve.
    func blocking<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        let answer = OneShot<Value>()
        guard PlainThread(name: "doctor", { answer.set(body()) }) != nil else { return nil }
        return await answer.wait(atMost: self.timeout + Self.resolvingTimeMax)
    }

    // MARK: - Private

    /// The shards of the file, then those that only the catalog in them tells of.
    private func surveyShards(_ secrets: ResolvedSecrets) async -> [DoctorFacts.Shard] {
        let listed = await self.survey(
            self.settings.shards.enumerated().map { index, shard in
                let key = "shards[\(index)].connection (\(shard.connection.masked))"
                return (secrets.descriptor(of: shard), key)
            }
        )
        let maps = listed.compactMap { shard -> ShardSurvey.Map? in
            if case .value(let found) = shard.survey { found.map } else { nil }
        }
        let names = Set(listed.map(\.name))
        let newest = maps.max { $0.version < $1.version }
        let others = (newest?.connections ?? [:]).filter { !names.contains($0.key) }.sorted { $0.key < $1.key }
        return listed
            + (await self.survey(
                others.map {
                    (ShardDescriptor(name: $0.key, connectionString: $0.value), "its connection in the shards' catalog")
                }
            ))
    }

    private func survey(_ shards: [(descriptor: ShardDescriptor, key: String)]) async -> [DoctorFacts.Shard] {
        let surveys = await withTaskGroup(of: (Int, DoctorFacts.Seen<ShardSurvey>).self) { group in
            for (index, shard) in shards.enumerated() {
                group.addTask { (index, await self.survey(shard.descriptor)) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        return shards.enumerated().map { index, shard in
            DoctorFacts.Shard(
                name: shard.descriptor.name,
                key: shard.key,
                survey: surveys[index] ?? .unreachable("it was not asked")
            )
        }
    }

    private func survey(_ shard: ShardDescriptor) async -> DoctorFacts.Seen<ShardSurvey> {
        let surveyor = ShardSurveyor(shard: shard, timeout: self.timeout)
        let result = await self.blocking { Result { () throws(StorageError) in try surveyor.survey(now: self.now) } }
        switch result {
        case .success(let survey): return .value(survey)
        case .failure(let error): return .unreachable(Self.line(error.message))
        case nil: return .unreachable("no answer within \(self.timeout)")
        }
    }

    /// libpq breaks its messages with tabs.
    private static func line(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    private func lookAtMachine(_ secrets: ResolvedSecrets) -> DoctorFacts.Machine {
        var machine = DoctorFacts.Machine()
        machine.filesMax = FileDescriptorLimit.hard
        var files = self.settings.secretFiles.map { DoctorFacts.SecretFile(key: $0.key, path: $0.path) }
        if let path = self.path {
            files += self.passwordsInFile.map { DoctorFacts.SecretFile(key: $0, path: path) }
        }
        machine.exposedFiles = files.filter { FileExposure.isExposed($0.path) }
        let values: [(String, Secret?)] = [
            ("secrets.mesh_secret", secrets.mesh), ("secrets.token_secret", secrets.token),
            ("secrets.admin_read", secrets.adminRead), ("secrets.admin_operate", secrets.adminOperate),
        ]
        let known = values.compactMap { key, secret in secret.map { (key, $0.exposedBytes) } }
        machine.repeatedSecrets = Dictionary(grouping: known) { $0.1 }.values.filter { $0.count > 1 }
            .map { $0.map(\.0) }.sorted { $0[0] < $1[0] }
        return machine
    }

    /// Keys of connection strings that hold a password and stand in the file.
    private var passwordsInFile: [String] {
        self.settings.shards.enumerated().compactMap { index, shard in
            let key = "shards[\(index)].connection"
            let value = self.settings.effectiveValues.first { $0.path == key }
            guard shard.connection.holdsPassword, case .file = value?.origin else { return nil }
            return key
        }
    }
}
