public import Addressing

extension LoggedPacket {
    /// Who talks to whom, as the packet's headers say it.
    public struct Flow: Hashable, Sendable {
        public var source: IPAddress
        public var destination: IPAddress
        /// `IPPROTO_…`: of IPv6 the first header that is no extension.
        public var transport: UInt8
        /// 0 where the protocol has none, or they were not copied.
        public var sourcePort: UInt16 = 0
        public var destinationPort: UInt16 = 0
    }

    /// `nil` for what is too short, or of neither family.
    public var flow: Flow? {
        switch payload.first.map({ $0 >> 4 }) {
        case 4: flow4
        case 6: flow6
        default: nil
        }
    }

    private var flow4: Flow? {
        let length = Int(payload[0] & 15) * 4
        guard length >= 20, let source = address(at: 12, 4), let destination = address(at: 16, 4) else { return nil }
        let flow = Flow(source: source, destination: destination, transport: payload[9])
        // Of a fragment only the first has ports.
        let offset = UInt16(payload[6] & 0x1F) << 8 | UInt16(payload[7])
        return offset == 0 ? withPorts(flow, at: length) : flow
    }

    private var flow6: Flow? {
        guard let source = address(at: 8, 16), let destination = address(at: 24, 16) else { return nil }
        var (next, place) = (payload[6], 40)
        // Hop-by-hop, routing, fragment and destination options: the next header and, but for fragments, a length.
        while [0, 43, 44, 60].contains(next), payload.count >= place + 8 {
            let isFragment = next == 44
            let isLater = isFragment && (UInt16(payload[place + 2]) << 8 | UInt16(payload[place + 3])) & 0xFFF8 != 0
            let length = isFragment ? 8 : (Int(payload[place + 1]) + 1) * 8
            next = payload[place]
            place += length
            if isLater { return Flow(source: source, destination: destination, transport: next) }
        }
        return withPorts(Flow(source: source, destination: destination, transport: next), at: place)
    }

    private func withPorts(_ flow: Flow, at place: Int) -> Flow {
        // TCP, UDP, SCTP, UDP-Lite, DCCP
        guard [6, 17, 132, 136, 33].contains(flow.transport), payload.count >= place + 4 else { return flow }
        var flow = flow
        flow.sourcePort = UInt16(payload[place]) << 8 | UInt16(payload[place + 1])
        flow.destinationPort = UInt16(payload[place + 2]) << 8 | UInt16(payload[place + 3])
        return flow
    }

    private func address(at place: Int, _ count: Int) -> IPAddress? {
        guard payload.count >= place + count else { return nil }
        return IPAddress(bytes: Array(payload[place..<place + count]))
    }
}
