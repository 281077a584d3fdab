// SPDX-License-Identifier: Apache-2.0

import Placement
import Testing

@Suite("XXH64")
struct XXHash64Tests {
    @Test(
        "Published vectors",
        arguments: [
            ("", 0xEF46_DB37_51D8_E999),
            ("a", 0xD24E_C4F1_A98C_6E5B),
            ("abc", 0x44BC_2CF5_AD77_0999),
            ("message digest", 0x066E_D728_FCEE_B3BE),
            ("abcdefghijklmnopqrstuvwxyz", 0xCFE1_F278_FA89_835C),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0xAAA4_6907_D304_7814),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                0xE04A_477F_19EE_145D
            ),
            ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
        ] as [(String, UInt64)]
    )
    func published(text: String, hash: UInt64) {
        #expect(XXHash64.hash(Array(text.utf8)) == hash)
    }

    /// From the reference implementation (python-xxhash 4.1.0) over bytes `(i · 151 + 7) mod 256`: every way through
    /// the lanes of 32 and the tails of 8, 4 and 1.
    private static let byLength: [(Int, UInt64)] = [
        (0, 0xEF46_DB37_51D8_E999), (1, 0xA96C_7F0C_E858_BBB7), (2, 0x7DB5_FD12_ED04_6B3D),
        (3, 0x2F28_7408_6C76_28D8), (4, 0x14FE_4537_7C82_2387), (5, 0x34D2_2063_E03A_06A6),
        (7, 0x1AFB_0E45_6603_3049), (8, 0x2B4E_E232_C934_9D82), (9, 0xF7F4_0A94_9C40_296D),
        (11, 0x1D01_04E2_4DFC_DD5C), (12, 0xA144_4F5B_343B_119C), (15, 0x006D_C4B2_61E6_AAD4),
        (16, 0x7A4E_A38E_A165_403B), (17, 0xC495_B447_3302_8B6F), (23, 0x929E_94D6_00AC_EB09),
        (24, 0x21C2_E838_7723_0EA7), (28, 0x4024_C8E6_9F45_6C75), (31, 0xD5CE_50E5_D53B_8C92),
        (32, 0xCA18_B6AE_4913_772A), (33, 0x531A_7C44_07D7_9F95), (36, 0x12B0_82CC_4ABE_ABE3),
        (39, 0xD6B7_86F6_7244_849B), (40, 0xE3A3_8773_2B1A_88F6), (47, 0x610E_6B66_E669_16DB),
        (48, 0xC04D_144F_7698_2FB0), (63, 0xA155_570C_DFC5_E7A3), (64, 0x1DEC_0ABA_21DD_4A5B),
        (65, 0x8765_07D0_902B_4A37), (95, 0x57A7_7F12_40B8_6753), (96, 0x0F05_A23F_CDAB_C0E6),
        (100, 0x4BAC_7D6B_7A3F_FBAA), (127, 0xB521_6C7F_4A91_CA16), (128, 0x35E3_84DA_6ECF_EE48),
        (200, 0xB297_0801_942E_842D), (255, 0x09E8_3895_2275_BDD3), (256, 0x387E_CCA7_87C4_A3F5),
        (1000, 0x6DAA_BC90_4A8C_DE6E), (4096, 0xBA82_70E6_0609_6218),
    ]

    @Test("Every length of lane and tail, at every alignment", arguments: Self.byLength)
    func lengths(count: Int, hash: UInt64) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 151 + 7) }
        #expect(XXHash64.hash(bytes) == hash)
        for offset in 1..<8 {
            let shifted = [UInt8](repeating: 0xEE, count: offset) + bytes + [0xEE]
            let found = shifted.withUnsafeBytes {
                XXHash64.hash(UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count]))
            }
            #expect(found == hash, "offset \(offset)")
        }
    }
}
