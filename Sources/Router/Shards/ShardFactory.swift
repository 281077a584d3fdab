// SPDX-License-Identifier: Apache-2.0

import Logging
import Storage

/// Makes what serves a shard, for those that are known at the start and those that come later.
struct ShardFactory: Sendable {
    let configuration: RouterNode.Configuration
    let routing: RoutingState
    let witnesses: WitnessBoard
    let hub: RouterHub
    let metrics: WriterMetrics
    let logger: Logger

    /// Its threads begin with the writers and readers; the keeper is not started.
    func make(_ shard: ShardDescriptor, roster: ShardRoster) -> ShardRoster.Entry {
        let session = self.configuration.session(shard)
        return ShardRoster.Entry(services: self.services(session), keeper: self.keeper(session, roster))
    }

    private func services(_ session: ShardSession.Configuration) -> ShardServices {
        let writers = (0..<max(1, self.configuration.writersPerShard)).map { index in
            var own = session
            own.applicationName = "\(self.configuration.name) writer \(index)"
            return ShardWriter(
                name: "writer \(session.shard.name) \(index)",
                session: own,
                bounds: self.configuration.writerBounds,
                routing: self.routing,
                effects: self.hub,
                metrics: self.metrics,
                logger: self.logger
            )
        }
        var own = session
        own.applicationName = "\(self.configuration.name) reader"
        return ShardServices(
            writers: writers,
            readers: ShardReaders(own, threads: self.configuration.readersPerShard)
        )
    }

    private func keeper(_ session: ShardSession.Configuration, _ roster: ShardRoster) -> ShardKeeper {
        var own = session
        own.applicationName = "\(self.configuration.name) keeper"
        let hub = self.hub
        return ShardKeeper(
            session: own,
            routing: self.routing,
            witnesses: self.witnesses,
            policy: self.configuration.viewPolicy,
            applyEntry: { slot, entry, completion in hub.apply(entry, to: slot, completion: completion) },
            given: { [weak roster] slots, shard in roster?.keeper(of: shard)?.take(slots) },
            catalogued: { hub.catalogued($0) },
            logger: self.logger
        )
    }
}
