/// How fast a pod may be talked to and talk: `runtimeConfig.bandwidth` of CNI, `kubernetes.io/ingress-bandwidth` of a pod.
public struct Bandwidth: Hashable, Sendable {
    /// What goes to the pod.
    public var ingress: Limit?
    /// What comes from it.
    public var egress: Limit?

    public init(ingress: Limit? = nil, egress: Limit? = nil) {
        self.ingress = ingress
        self.egress = egress
    }

    /// A rate, and how much may go at once after a pause.
    public struct Limit: Hashable, Sendable {
        /// In bits a second.
        public var rate: UInt64
        /// In bits; `nil` is ten milliseconds' worth, and no less than 32 KiB.
        public var burst: UInt64?

        /// Above it no link is: a petabit.
        public static let greatest: UInt64 = 1_000_000_000_000_000

        public init(rate: UInt64, burst: UInt64? = nil) {
            self.rate = rate
            self.burst = burst
        }
    }
}

extension Bandwidth.Limit {
    /// In bytes.
    ///
    /// - Parameter mtu: of the link. A bucket that holds no packet lets none through, and a packet counts with its Ethernet header.
    func bucket(mtu: Int) -> UInt32 {
        let packet = max(2048, UInt32(clamping: mtu + 18))
        guard let burst else { return max(32 << 10, packet, UInt32(clamping: rate / 800)) }
        // The kernel counts the time in which it fills up to 274 seconds.
        let (longest, isTooLong) = rate.multipliedReportingOverflow(by: 25)
        return max(packet, UInt32(clamping: isTooLong ? burst / 8 : min(burst / 8, longest)))
    }

    /// Bytes that wait at most: fifty milliseconds' worth and the bucket. Above that the sender has to slow down.
    func queue(mtu: Int) -> UInt32 { UInt32(clamping: rate / 160 + UInt64(bucket(mtu: mtu)) + 65_536) }
}
