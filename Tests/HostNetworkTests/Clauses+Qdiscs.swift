import Addressing
import HostNetwork
import Testing

extension Clause {
    private static func bucket(
        _ link: String, rate: UInt64 = 1_250_000, burst: UInt32 = 32768, limit: UInt32 = 100_000, handle: UInt16 = 0x8400
    ) -> Object {
        .qdisc(Qdisc(link, .tokenBucket(.init(rate: rate, burst: burst, limit: limit)), handle: handle))
    }

    static let qdiscs = [
        Clause("a token bucket stands as it was added, changes, and goes; a link has one") { stage in
            try stage.node.refuse(.add(bucket("a")), .noSuchDevice)
            try stage.node.accept(.add(veth("a", peer: "b")))
            try stage.node.refuse(.remove(bucket("a")), .invalid)
            try stage.node.accept(.add(bucket("a")))
            try stage.node.refuse(.add(bucket("a", rate: 7000)), .exists)
            let desired: State = [bucket("a")]
            let seen = try stage.node.observe(Interest([.qdiscs]))
            let owned = Ownership(links: ["a"], qdiscHandle: 0x8400)
            #expect(difference(from: seen, to: desired, owned: owned, keys: [.qdisc("a")]) == [])
            // More than 32 bits' worth of bytes a second, and one that is slow.
            for rate: UInt64 in [6_000_000_000, 1000, 125_000_000] {
                let other = bucket("a", rate: rate, burst: 100_000)
                try stage.node.accept(.change(from: bucket("a"), to: other))
                let seen = try stage.node.observe(Interest([.qdiscs]))
                #expect(difference(from: seen, to: [other], owned: owned, keys: [.qdisc("a")]) == [], "rate \(rate)")
                #expect(difference(from: seen, to: desired, owned: owned, keys: [.qdisc("a")]).count == 1)
            }
            try stage.node.accept(.remove(bucket("a")))
            #expect(try stage.node.observe(Interest([.qdiscs]))[.qdisc("a")] == nil)
        },
        Clause("another's qdisc is seen and left, and one goes with its link") { stage in
            try stage.node.accept(.add(veth("a", peer: "b")), .add(bucket("a", handle: 0x77)))
            let owned = Ownership(links: ["a"], qdiscHandle: 0x8400)
            let seen = try stage.node.observe(Interest([.qdiscs])).filter { $0.link == "a" }
            #expect(seen.count == 1)
            #expect(difference(from: seen, to: State(), owned: owned) == [])
            try stage.node.accept(.remove(veth("a", peer: "b")), .add(veth("a", peer: "b")))
            #expect(try stage.node.observe(Interest([.qdiscs]))[.qdisc("a")] == nil)
        },
    ]
}
