/// One interface of one container: what ADD makes and DEL takes away. No two attachments of a runtime are equal (spec §3).
public struct Attachment: Hashable, Sendable {
    /// `CNI_CONTAINERID`, or `containerID` in a list of attachments.
    public let containerID: String
    /// `CNI_IFNAME`, or `ifname` in a list of attachments.
    public let interface: String

    /// - Throws: ``Failure/Code/badEnvironment`` when a name breaks the specification's rules.
    public init(containerID: String, interface: String) throws(Failure) {
        if let fault = Self.fault(containerID: containerID) {
            throw Failure(.badEnvironment, "CNI_CONTAINERID “\(containerID)” \(fault)", details: Self.containerRule)
        }
        if let fault = Self.fault(interface: interface) {
            throw Failure(.badEnvironment, "CNI_IFNAME “\(interface)” \(fault)", details: Self.interfaceRule)
        }
        self.containerID = containerID
        self.interface = interface
    }
}

extension Attachment {
    static let containerRule = "a letter or digit, then letters, digits, “_”, “.” and “-”"
    static let interfaceRule = "1 to 15 bytes without “/”, “:”, “%” and white space, and not “.” or “..”"

    /// The rule holds for network names too.
    static func fault(containerID: String) -> String? {
        guard let first = containerID.utf8.first else { return "is empty" }
        if !isAlphanumeric(first) { return "does not begin with a letter or digit" }
        let isAllowed = containerID.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
        return isAllowed ? nil : "holds a character that is not allowed"
    }

    /// The kernel's rule (`dev_valid_name`): the limit is `IFNAMSIZ` with the final zero. And no “%”: of `eth%d` the kernel makes another
    /// name.
    static func fault(interface: String) -> String? {
        if interface.isEmpty { return "is empty" }
        if interface == "." || interface == ".." { return "names a directory" }
        if interface.utf8.count > 15 { return "is longer than 15 bytes" }
        let isAllowed = interface.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && !"/:%".utf8.contains($0) && $0 != 0xA0 }
        return isAllowed ? nil : "holds a character that is not allowed"
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: false
        }
    }
}

extension Attachment: CustomStringConvertible {
    public var description: String { "\(containerID):\(interface)" }
}
