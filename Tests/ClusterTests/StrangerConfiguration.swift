// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// The configuration of a cluster with one more edge, known to nobody but that edge.
struct StrangerConfiguration {
    let path: String

    init(of cluster: TestCluster, edge: String, httpPort: UInt16) throws {
        let text = try String(contentsOfFile: cluster.configurationPath, encoding: .utf8)
        let entry = "nodes:\n  - name: \(edge)\n    role: edge\n    http: 127.0.0.1:\(httpPort)\n"
        self.path = cluster.folder + "/\(edge).yaml"
        try text.replacingOccurrences(of: "nodes:\n", with: entry)
            .write(toFile: self.path, atomically: true, encoding: .utf8)
    }
}
