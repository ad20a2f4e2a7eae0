<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * What became of an import.
 */
final readonly class ImportReport implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Nothing was sent and nothing stored. */
        public bool $dryRun,
        /** @var array<string, int> How many rows have which status. */
        public array $counts,
        /** @var list<ImportedRow> In the order of the import. */
        #[ListOf(ImportedRow::class)]
        public array $rows,
    ) {
    }

    /** Whether every row is as it should be. */
    public function isGood(): bool
    {
        return array_filter($this->rows, static fn (ImportedRow $row): bool => !$row->status->isGood()) === [];
    }
}
