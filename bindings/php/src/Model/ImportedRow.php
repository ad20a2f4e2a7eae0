<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What became of a row of an import.
 */
final readonly class ImportedRow implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The number of the row, from 1 on. */
        public int $row,
        /** Your own name for it. */
        public ?string $reference,
        /** What became of it. */
        public ImportStatus $status,
        /** The channel of its account. */
        public ?string $channel,
        /** The platform's id of the account, if it is known. */
        public ?string $accountId,
        /** The account's name at the platform. */
        public ?string $displayName,
        /** Why, and what to do. */
        public ?Error $error,
    ) {
    }
}
