/// What a name of the API becomes as a host name.
enum HostName {
    /// Names of pods and nodes have up to 253 bytes, host names 64 (`HOST_NAME_MAX`). As a kubelet does: the first 63, a label
    /// of DNS, which ends with neither a dash nor a dot.
    static func cut(_ name: String) -> String {
        guard name.utf8.count > 63 else { return name }
        var cut = name.utf8.prefix(63)
        while let last = cut.last, last == UInt8(ascii: "-") || last == UInt8(ascii: ".") { cut.removeLast() }
        return String(decoding: cut, as: UTF8.self)
    }
}
