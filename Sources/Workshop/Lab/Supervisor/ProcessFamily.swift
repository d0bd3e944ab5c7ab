/// Which process started which, as `/proc` says it now.
struct ProcessFamily {
    private let byParent: [Int32: [Int32]]

    init() {
        let pairs = Files.names(in: "/proc").compactMap { name -> (parent: Int32, process: Int32)? in
            guard let process = Int32(name), let stat = Files.text(of: "/proc/\(name)/stat"), let end = stat.lastIndex(of: ")"),
                let parent = stat[end...].split(separator: " ").dropFirst(2).first.flatMap({ Int32($0) })
            else { return nil }
            return (parent, process)
        }
        byParent = Dictionary(grouping: pairs, by: \.parent).mapValues { $0.map(\.process) }
    }

    func children(of process: Int32) -> [Int32] { byParent[process] ?? [] }

    /// Its children, and theirs.
    func descendants(of ancestor: Int32) -> [Int32] {
        var (found, waiting): ([Int32], [Int32]) = ([], [ancestor])
        while let process = waiting.popLast() {
            let next = children(of: process)
            found += next
            waiting += next
        }
        return found
    }
}
