// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
package import Observability

/// What the sessions of an edge count and measure. Registers its metrics, so it is made once per registry.
package final class EdgeMetrics: Sendable {
    let sessions: Gauge
    let sessionsOpened: Counter
    let submitsInFlight: Gauge
    let submitDuration: Histogram
    let receipts: Counter
    let receiptRequests: Counter
    let eventsReceived: Counter
    let deliveries: Counter
    let deliveryDelay: Histogram
    let deliveriesSkipped: Counter
    let deliveryWaits: Counter
    let deliveriesDropped: Counter
    let deliveriesWithheld: Counter
    let audiencesUnknown: Counter
    let resyncs: Counter
    let recipientsAbsent: Counter
    let sync: SyncMetrics
    let malformedNotifications: Counter
    let registrationsFailed: Counter
    let registryRefills: Counter
    let ephemeral: EphemeralMetrics
    private let commands: [ClientCommand.Name: Counter]
    private let errors: [ErrorCode: Counter]
    private let closes: [CloseCode: Counter]
    private let disconnects: Counter

    package init(_ registry: MetricsRegistry) {
        self.sessions = registry.gauge(
            "trunkline_edge_sessions",
            help: "WebSockets that are open, authenticated or not."
        )
        self.sessionsOpened = registry.counter(
            "trunkline_edge_sessions_opened_total",
            help: "Sessions that were authenticated."
        )
        self.submitsInFlight = registry.gauge(
            "trunkline_edge_submits_in_flight",
            help: "Messages from WebSockets that have no answer yet."
        )
        self.submitDuration = registry.histogram(
            "trunkline_edge_submit_duration_seconds",
            help: "From a message's arrival on a WebSocket until its answer was written."
        )
        self.receipts = registry.counter(
            "trunkline_edge_receipts_total",
            help: "Receipts taken from WebSockets."
        )
        self.receiptRequests = registry.counter(
            "trunkline_edge_receipt_requests_total",
            help: "Requests to routers that receipts were merged into."
        )
        self.eventsReceived = registry.counter(
            "trunkline_edge_events_received_total",
            help: "Messages and events that came from routers."
        )
        self.deliveries = registry.counter(
            "trunkline_edge_deliveries_total",
            help: "Live events that were written to a session."
        )
        self.deliveryDelay = registry.histogram(
            "trunkline_edge_delivery_delay_seconds",
            help: "From a message's creation at its router until it was written to sessions, by two clocks."
        )
        self.deliveryWaits = registry.counter(
            "trunkline_edge_delivery_waits_total",
            help:
                "How often a busy event loop let events wait for others, to write them at once (timeouts.delivery_wait)."
        )
        self.deliveriesSkipped = registry.counter(
            "trunkline_edge_deliveries_skipped_total",
            help: "Live events that a session did not get because too much was unsent; it is told to resync."
        )
        self.deliveriesDropped = registry.counter(
            "trunkline_edge_deliveries_dropped_total",
            help: "Events dropped because too many waited for an event loop; its sessions are told to resync."
        )
        self.deliveriesWithheld = registry.counter(
            "trunkline_edge_deliveries_withheld_total",
            help: "Deliveries to users who had been removed meanwhile; they came late from a former owner."
        )
        self.audiencesUnknown = registry.counter(
            "trunkline_edge_audiences_unknown_total",
            help:
                "Times recipients were named by a number that this edge did not know; its sessions are told to resync."
        )
        self.resyncs = registry.counter("trunkline_edge_resyncs_total", help: "Times a session was told to resync.")
        self.sync = SyncMetrics(registry)
        self.recipientsAbsent = registry.counter(
            "trunkline_edge_recipients_absent_total",
            help: "Recipients of messages that had no session here."
        )
        self.malformedNotifications = registry.counter(
            "trunkline_edge_malformed_notifications_total",
            help: "Notifications of routers that were not understood."
        )
        self.registrationsFailed = registry.counter(
            "trunkline_edge_registrations_failed_total",
            help: "Sessions that began without an entry in the registry."
        )
        self.registryRefills = registry.counter(
            "trunkline_edge_registry_refills_total",
            help: "Times all sessions were registered anew."
        )
        self.ephemeral = EphemeralMetrics(registry)
        self.disconnects = registry.counter(
            "trunkline_edge_disconnects_total",
            help: "WebSockets that ended without the edge closing them."
        )
        self.commands = Self.counters(ClientCommand.Name.allCases) {
            registry.counter(
                "trunkline_edge_commands_total",
                help: "Commands from WebSockets.",
                labels: ["type": $0.rawValue]
            )
        }
        self.errors = Self.counters(ErrorCode.allCases) {
            registry.counter(
                "trunkline_edge_errors_total",
                help: "Errors told over WebSockets.",
                labels: ["code": $0.name]
            )
        }
        self.closes = Self.counters(CloseCode.allCases) {
            registry.counter(
                "trunkline_edge_closes_total",
                help: "WebSockets that the edge closed.",
                labels: ["code": $0.name]
            )
        }
    }

    func command(_ name: ClientCommand.Name) { self.commands[name]?.increment() }
    func error(_ code: ErrorCode) { self.errors[code]?.increment() }
    func closed(_ code: CloseCode) { self.closes[code]?.increment() }
    func disconnected() { self.disconnects.increment() }

    private static func counters<Key: Hashable>(_ keys: [Key], _ make: (Key) -> Counter) -> [Key: Counter] {
        Dictionary(uniqueKeysWithValues: keys.map { ($0, make($0)) })
    }
}
