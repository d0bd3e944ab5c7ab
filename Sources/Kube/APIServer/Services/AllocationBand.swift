/// Where in a range dynamic allocation begins: the part before it is for those who ask for a certain number, so that a well-known
/// address can be written down before it exists. When the rest is full it is used too.
struct AllocationBand {
    let count: UInt128
    /// The first position that is given without asking.
    let start: UInt128

    /// For addresses: min(max(16, size / 16), 256) positions are kept.
    init(addresses count: UInt128) {
        self.count = count
        start = count < 16 ? 0 : min(max(16, count / 16), 256)
    }

    /// For node ports: min(max(16, size / 32), 128).
    init(ports count: UInt128) {
        self.count = count
        start = count < 16 ? 0 : min(max(16, count / 32), 128)
    }

    /// A free position, from a random one on; `nil` when all are taken.
    func free(using random: inout some RandomNumberGenerator, isTaken: (UInt128) -> Bool) -> UInt128? {
        for (low, high) in [(start, count), (0, start)] where low < high {
            let size = high - low
            // A wide range is not a random walk: 2^16 positions are more services than there will be.
            let offset = UInt128.random(in: 0..<min(size, 1 << 16), using: &random)
            var position = low + offset
            for _ in 0..<min(size, 1 << 16) {
                if !isTaken(position) { return position }
                position = position + 1 < high ? position + 1 : low
            }
        }
        return nil
    }
}
