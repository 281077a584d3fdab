// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Logging
import Router
import Storage

extension NodeRunner {
    /// What operators ask this router over HTTP.
    ///
    /// - Parameter shards: how they are reached, where the file does not say it.
    func makeAdminInterface(of router: RouterNode, _ shards: [ShardDescriptor], _ parts: Parts) -> AdminInterface {
        let settings = self.settings.knowing(shards.map { ($0.name, $0.connectionString) })
        let doctor = DoctorCollector(
            settings: self.settings,
            path: self.source.path,
            environment: self.source.environment,
            group: parts.group,
            logger: Self.silentLogger
        )
        return AdminInterface(
            own: self.node.name,
            tokens: AdminTokens(read: self.secrets.adminRead, operate: self.secrets.adminOperate),
            operate: { order, node in await router.operate(order, on: node) },
            isLinked: { router.isLinked(to: $0) },
            record: { router.record($0) },
            audience: { AudienceCondition($0, await router.audience(of: $0)) },
            look: ClusterLook(
                settings: settings,
                secrets: self.secrets,
                group: parts.group,
                logger: Self.silentLogger
            ),
            doctor: { DoctorReport(await doctor.collect()) },
            logger: parts.logger
        )
    }

    /// What cannot be reached is in the answer; log lines about it would say it twice.
    private static var silentLogger: Logger { Logger(label: "admin") { _ in SwiftLogNoOpLogHandler() } }
}
