// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

@Suite("Where certificates are")
struct TLSTests {
    private static let whole = """
        tls:
          clients:
            certificate: certificates/{node}.pem
            private_key: "{node}/{node}.key"
          mesh:
            certificate: /etc/{node}.pem
            private_key: /etc/{node}.key
            authority: authority.pem

        """

    @Test("Off when nothing is said")
    func off() throws {
        for yaml in [Fixture.minimal, Fixture.minimal + "tls:\n", Fixture.minimal + "tls:\n  clients:\n  mesh:\n"] {
            let settings = try ClusterSettings.parse(yaml: yaml)
            #expect(settings.clientCertificates(of: "edge-1") == nil)
            #expect(settings.meshCertificates(of: "edge-1") == nil)
        }
    }

    @Test("Paths start at the folder of the file, and hold the node's name")
    func paths() throws {
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal + Self.whole, file: "/srv/cluster.yaml")
        let clients = try #require(settings.clientCertificates(of: "edge-1"))
        #expect(clients.certificate == "/srv/certificates/edge-1.pem")
        #expect(clients.privateKey == "/srv/edge-1/edge-1.key")
        #expect(clients.authority == nil)
        let mesh = try #require(settings.meshCertificates(of: "router-1"))
        #expect(mesh.certificate == "/etc/router-1.pem")
        #expect(mesh.authority == "/srv/authority.pem")
    }

    @Test("What is shown reads back; the reference and the environment know the keys")
    func rendering() throws {
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal + Self.whole)
        let rendered = settings.render(maskSecrets: true)
        #expect(rendered.contains("tls:\n  clients:\n    certificate: "))
        let again = try ClusterSettings.parse(yaml: rendered)
        #expect(again.tls == settings.tls)
        #expect(ClusterSettings.reference().contains("TRUNKLINE_TLS__MESH__PRIVATE_KEY\n"))
        let fromEnvironment = try ClusterSettings.parse(
            yaml: Fixture.minimal,
            environment: ["TRUNKLINE_TLS__CLIENTS__CERTIFICATE": "/a", "TRUNKLINE_TLS__CLIENTS__PRIVATE_KEY": "/b"]
        )
        #expect(fromEnvironment.tls.clients.certificate == "/a")
    }

    @Test("Half of it is a mistake")
    func half() throws {
        let clients = try Fixture.problem(Fixture.minimal + "tls: {clients: {certificate: a.pem}}\n")
        #expect(clients.path == "tls.clients")
        #expect(clients.message == "private_key is missing beside certificate")
        let mesh = try Fixture.problem(Fixture.minimal + "tls:\n  mesh:\n    private_key: a\n    certificate: b\n")
        #expect(mesh.message == "authority is missing beside certificate and private_key")
        #expect(mesh.place != nil)
    }

    @Test(
        "What may not stand there",
        arguments: [
            (
                "tls: {clients: {certificate: \"{nod}.pem\", private_key: a}}", "tls.clients.certificate",
                "only one is {node}"
            ),
            ("tls: {clients: {certificate: \"\", private_key: a}}", "tls.clients.certificate", "name a file"),
            ("tls: {clients: a.pem}", "tls.clients", "write its keys below it"),
            ("tls: {client: {certificate: a.pem}}", "tls.client", "did you mean clients?"),
            ("tls: {clients: {certificat: a.pem}}", "tls.clients.certificat", "did you mean certificate?"),
            ("tls: {authority: a.pem}", "tls.authority", "known here: clients, mesh"),
        ]
    )
    func wrong(line: String, path: String, remedy: String) throws {
        let problem = try Fixture.problem(Fixture.minimal + line + "\n")
        #expect(problem.path == path)
        #expect(problem.remedy.contains(remedy), "\(problem)")
    }
}
