// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import TestSupport
import Testing

@testable import Operations

@Suite("Ports before the start of a node")
struct PortCheckTests {
    @Test("that are free are no problem, and stay free")
    func free() throws {
        let settings = try makeSettings(routerMesh: freePort(), routerHTTP: freePort())
        let router = try #require(settings.node(named: "router-1"))
        try PortCheck.check(router, in: settings)
        try PortCheck.check(router, in: settings)
    }

    @Test("in use are refused with the path of the key and the variable that changes it", arguments: ["mesh", "http"])
    func inUse(key: String) throws {
        let listener = try Listener()
        defer { listener.close() }
        let free = try freePort()
        let settings = try makeSettings(
            routerMesh: key == "mesh" ? listener.port : free,
            routerHTTP: key == "http" ? listener.port : free
        )
        let router = try #require(settings.node(named: "router-1"))
        let error = try #require(throws: OperationsError.self) { try PortCheck.check(router, in: settings) }
        #expect(
            error.message
                == "nodes[0].\(key): cannot listen on 127.0.0.1:\(listener.port): another program uses the port"
        )
        #expect(error.remedy.contains("TRUNKLINE_NODES__ROUTER_1__\(key.uppercased())=HOST:PORT"))
    }
}
