import Addressing
import HostNetwork
import Testing

@testable import Plan

@Suite("how fast: the bucket")
struct BandwidthLimitTests {
    // Above 2⁶⁴ / 25 the agent ended.
    @Test("is some number for every limit that can be said")
    func extremes() {
        for rate in [1000, .max / 25, .max / 25 + 1, .max] as [UInt64] {
            for burst in [nil, 1, .max] as [UInt64?] {
                let limit = Bandwidth.Limit(rate: rate, burst: burst)
                #expect(limit.bucket(mtu: 1500) >= 2048 && limit.queue(mtu: 1500) >= limit.bucket(mtu: 1500))
            }
        }
    }

    // On a link of 9000 nothing passed that was larger than two kilobytes.
    @Test("holds a packet of the link, whatever burst was asked for", arguments: [1500, 9000, 65_535])
    func packet(_ mtu: Int) throws {
        var attachment = Attachment(
            id: .init(container: "c1", interface: "eth0"), addresses: [.v4(IPv4Address(192, 0, 2, 7))], mtu: mtu)
        let limit = Bandwidth.Limit(rate: 8_000_000, burst: 8000)
        attachment.bandwidth = Bandwidth(ingress: limit, egress: limit)
        let network = PodNetwork(attachment)
        for object in [network.node[.qdisc(attachment.link)], network.pod[.qdisc("eth0")]] {
            guard case .qdisc(let qdisc)? = object, case .tokenBucket(let bucket) = qdisc.kind else {
                Issue.record("no bucket: \(String(describing: object))")
                return
            }
            #expect(bucket.burst >= UInt32(mtu + 18))
        }
    }
}
