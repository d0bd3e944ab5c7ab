/// Who a command runs as.
struct Identity {
    let user: UInt32
    let group: UInt32

    /// Reads `1000` or `1000:1000`; without a group it is 0.
    ///
    /// - Parameter command: the subcommand whose option it is.
    init(_ text: String, in command: String) throws(Refusal) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
        guard (1...2).contains(parts.count), let user = parts[0], let group = parts.count == 2 ? parts[1] : 0 else {
            throw .usage("\(command): --user “\(text)” is not USER or USER:GROUP in numbers")
        }
        (self.user, self.group) = (user, group)
    }
}
