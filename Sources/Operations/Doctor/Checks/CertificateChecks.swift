// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import TransportSecurity

extension DoctorCheck {
    static let ofCertificates: [DoctorCheck] = [
        DoctorCheck(
            "tls.certificates",
            "The certificates of nodes here fit, and for longer than a week",
            meaning: "A node does not start with certificates that it cannot use, and its links end with them."
        ) { facts, judgement in
            for trouble in facts.certificateTroubles {
                judgement.fails(
                    trouble.node,
                    "\(trouble.problem.path): \(trouble.problem.message)",
                    mend: trouble.problem.remedy
                )
            }
            for certificate in facts.certificates where certificate.secondsLeft < Int(ExpiryWarning.noticeTime) {
                judgement.warns(
                    certificate.node,
                    "its certificate for \(certificate.use) runs out in \(UTCTime.span(seconds: certificate.secondsLeft))",
                    mend: "put a new one in its place (`trunkline certs node`); nodes read it without a restart"
                )
            }
        }
    ]
}
