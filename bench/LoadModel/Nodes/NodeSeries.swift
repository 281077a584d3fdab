// SPDX-License-Identifier: Apache-2.0

/// What one process took over a run: a node that was watched, or the load generator itself.
package struct NodeSeries: Sendable, Codable, Equatable {
    package enum Role: String, Sendable, Codable {
        case edge, router
        /// The load generator: not part of what a delivery costs the cluster.
        case generator
        /// It did not say.
        case unknown
    }

    /// Its name in the cluster's configuration, or where it answers.
    package var name: String
    package var role = Role.unknown
    /// Where it answers.
    package var address: String
    package var version: String?
    /// For each interval of the run: 1 is one core. Nil where nothing is known.
    package var cores: [Double?] = []
    /// For each interval: the largest that was seen.
    package var residentBytes: [Int?] = []
    /// Processor time over the measured span of ``TimeSeries``.
    package var measuredCPUSeconds: Double?
    package var peakResidentBytes: Int?
    package var missed = 0

    package init(name: String, address: String) {
        self.name = name
        self.address = address
    }

    /// Takes name, role and version from an answer to `/metrics`.
    package mutating func identify(metrics text: String) {
        guard let labels = MetricsText.labels(of: "trunkline_node_identity", in: text) else { return }
        if let name = labels["node"], !name.isEmpty { self.name = name }
        if let role = labels["role"].flatMap(Role.init(rawValue:)) { self.role = role }
        self.version = labels["version"]
    }

    private enum CodingKeys: String, CodingKey {
        case name, role, address, version, cores
        case residentBytes = "resident_bytes"
        case measuredCPUSeconds = "measured_cpu_seconds"
        case peakResidentBytes = "peak_resident_bytes"
        case missed = "missed_samples"
    }
}
