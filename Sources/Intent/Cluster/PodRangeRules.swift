import Addressing

/// What no cluster can use as a range for pods, whatever else is in it.
enum PodRangeRules {
    /// Addresses that mean something else everywhere.
    private static let reserved: [(prefix: IPPrefix, meaning: String)] = [
        ("0.0.0.0/8", "this network (RFC 791)"), ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("169.254.0.0/16", "link-local, where the gateway of pods is (RFC 3927)"),
        ("224.0.0.0/3", "multicast and reserved (RFC 1112)"), ("::/127", "unspecified and loopback (RFC 4291)"),
        ("fe80::/10", "link-local (RFC 4291)"), ("ff00::/8", "multicast (RFC 4291)"),
    ].compactMap { text, meaning in IPPrefix(text).map { ($0, meaning) } }

    /// The shortest prefix that a cluster may give to one node: a mistyped length must not take over a part of the Internet.
    private static func shortestLength(_ family: IPFamily) -> Int { family == .v4 ? 8 : 16 }

    /// Why a range cannot be used.
    static func fault(of prefix: IPPrefix) -> (id: Problem.ID, message: String)? {
        let shortest = shortestLength(prefix.family)
        if prefix.length < shortest {
            return (.podCIDRTooWide, "its pod range spec.podCIDRs \(prefix) is wider than /\(shortest)")
        }
        return reserved.first { $0.prefix.overlaps(prefix) }.map { reserved in
            (
                .podCIDRReserved,
                "its pod range spec.podCIDRs \(prefix) overlaps \(reserved.prefix), which is \(reserved.meaning)"
            )
        }
    }
}
