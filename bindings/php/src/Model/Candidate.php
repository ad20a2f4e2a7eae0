<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * One of several accounts.
 */
final readonly class Candidate implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The platform's stable id. */
        public string $accountId,
        /** The name to display. */
        public string $displayName,
        /** May stop working after some hours. */
        public ?string $avatarUrl,
        /** The handle, without `@`: tells accounts of one name apart. */
        public ?string $username = null,
        /** `person`, `page`, `organisation`, `group`, `channel`, or the platform's own term. */
        public ?string $kind = null,
        /** The platform's id of the account that it belongs to. */
        public ?string $parentId = null,
    ) {
    }
}
