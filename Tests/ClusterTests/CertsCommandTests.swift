// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

extension ClusterTests {
    @Suite("trunkline certs")
    struct CertsCommandTests {
        /// Runs the program to its end in a folder of its own; no cluster is needed.
        private struct Bench {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("trunkline-\(UUID())").path

            init() throws {
                try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true)
            }

            func run(_ arguments: String...) async throws -> (status: Int32, text: String) {
                let process = try GuardedProcess(
                    [TestCluster.program("trunkline")] + arguments,
                    environment: ["PATH": "/usr/bin:/bin"],
                    output: "\(self.folder)/\(UUID()).out"
                )
                try await eventually("\(arguments) ends", within: .seconds(60)) { process.exitStatus != nil }
                return (process.exitStatus ?? -1, process.text)
            }

            func remove() { try? FileManager.default.removeItem(atPath: self.folder) }
        }

        @Test("Makes what OpenSSL verifies, says what it is for, and overwrites nothing unasked")
        func makes() async throws {
            let bench = try Bench()
            defer { bench.remove() }
            let out = bench.folder + "/certificates"
            let authority = try await bench.run("certs", "authority", "--out", out)
            #expect(authority.status == 0, "\(authority.text)")
            #expect(authority.text.contains("for development and small installations"))
            let made = try await bench.run(
                "certs",
                "node",
                "edge-1",
                "--cluster",
                "c",
                "--authority",
                out,
                "--out",
                out,
                "--host",
                "a.example"
            )
            #expect(made.status == 0, "\(made.text)")
            let rights = try FileManager.default.attributesOfItem(atPath: "\(out)/edge-1.key")
            #expect(rights[.posixPermissions] as? Int == 0o600)
            let shown = try await bench.run("certs", "show", "\(out)/edge-1.pem")
            #expect(shown.text.contains("names        trunkline://c/edge-1, a.example"), "\(shown.text)")
            let verified = try GuardedProcess(
                ["/usr/bin/openssl", "verify", "-x509_strict", "-CAfile", "\(out)/authority.pem", "\(out)/edge-1.pem"],
                environment: [:],
                output: "\(bench.folder)/openssl.out"
            )
            try await eventually("openssl ends") { verified.exitStatus != nil }
            #expect(verified.exitStatus == 0, "\(verified.text)")
            let again = try await bench.run("certs", "authority", "--out", out)
            #expect(again.status == 1)
            #expect(again.text.contains("would be overwritten"))
            let forced = try await bench.run("certs", "authority", "--out", out, "--force")
            #expect(forced.status == 0)
        }

        @Test("Wrong command lines, and what is not there")
        func wrong() async throws {
            let bench = try Bench()
            defer { bench.remove() }
            let name = try await bench.run(
                "certs",
                "node",
                "Edge_1",
                "--cluster",
                "c",
                "--authority",
                "a",
                "--out",
                "b"
            )
            #expect(name.status == 64)
            let host = try await bench.run(
                "certs",
                "node",
                "e",
                "--cluster",
                "c",
                "--authority",
                "a",
                "--out",
                "b",
                "--host",
                "a:1"
            )
            #expect(host.status == 64)
            let days = try await bench.run("certs", "authority", "--out", bench.folder + "/a", "--days", "0")
            #expect(days.status == 64)
            let missing = try await bench.run(
                "certs",
                "node",
                "e",
                "--cluster",
                "c",
                "--authority",
                bench.folder,
                "--out",
                bench.folder
            )
            #expect(missing.status == 1)
            #expect(missing.text.contains("make an authority first: trunkline certs authority --out"))
            let show = try await bench.run("certs", "show", bench.folder + "/none.pem")
            #expect(show.status == 1)
        }
    }
}
