<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * What an account may post now.
 */
final readonly class PublishForm implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The name that will be shown as the author. */
        public string $accountName,
        /** May stop working after some hours. */
        public ?string $accountAvatarUrl,
        /** @var list<PostKind> What may be posted. */
        #[ListOf(PostKind::class)]
        public array $kinds,
        /** @var list<Field> In the order in which they are shown. */
        #[ListOf(Field::class)]
        public array $fields,
        /** @var list<Rule> Applied in order. */
        #[ListOf(Rule::class)]
        public array $rules,
        /** @var list<Quota> Allowances. */
        #[ListOf(Quota::class)]
        public array $quotas,
        /** Why the account cannot currently post. */
        public ?Error $blocked,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
