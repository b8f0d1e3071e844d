"""Names and places of many countries, to make tables in the encodings that data files of these countries have."""

from __future__ import annotations

from dataclasses import dataclass

WESTERN = ("cp1252", "iso8859-1", "iso8859-15", "mac-roman", "cp437", "cp850")
CENTRAL = ("cp1250", "iso8859-2", "cp852")
CYRILLIC = ("cp1251", "iso8859-5", "koi8-r", "mac-cyrillic", "cp866")
BALTIC = ("cp1257",)
TURKISH = ("cp1254", "iso8859-9", "cp857")
GREEK = ("cp1253", "iso8859-7", "cp737")
JAPANESE = ("cp932", "euc_jp", "iso2022_jp")
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


@dataclass(frozen=True, kw_only=True)
class Country:
    """Words of one country; a first name goes with any last name."""

    script: str
    """`latin` or another."""
    encodings: tuple[str, ...]
    """In which its data files are, Unicode apart; words with letters that one of them lacks are left out there."""
    first: tuple[str, ...]
    last: tuple[str, ...]
    places: tuple[str, ...]
    last_first: bool = False
    """Whether the last name stands before the first, without a blank."""


def _country(script: str, encodings: tuple[str, ...], first: str, last: str, places: str, **more: bool) -> Country:
    words = (tuple(word.replace("_", " ") for word in text.split()) for text in (first, last, places))
    names, families, towns = words
    return Country(script=script, encodings=encodings, first=names, last=families, places=towns, **more)


COUNTRIES: dict[str, Country] = {
    "Germany": _country(
        "latin", (*WESTERN, *CENTRAL, *TURKISH, *BALTIC),
        "Jürgen Günter Käthe Björn Sören Jörg Götz Änne Bärbel Anna Peter Ulrike Michael Heinz Thomas Lukas Rüdiger"
        " Özlem",
        "Müller Schröder Krämer Böhm Grünwald Weiß Groß Köhler Schäfer Möller Jäger König Süß Strauß Schmidt Wagner"
        " Bäumer Hölderlin Großmann Löffler",
        "München Köln Düsseldorf Nürnberg Würzburg Lübeck Osnabrück Tübingen Göttingen Saarbrücken Gießen Görlitz"
        " Berlin Bad_Kötzting Straße_am_Güterbahnhof Fürth Füssen Plön Königstein Grünstadt",
    ),
    "France": _country(
        "latin", WESTERN,
        "François Hélène Chloé Zoé Frédéric Amélie Gaëlle Benoît Anaïs Rémi Jérôme Noémie Clément Désirée Marie Luc"
        " Thérèse Loïc",
        "Lefèvre Béranger Gauthier Mérieux Besançon Lécuyer Périer Guérin Bélanger Dupré Rivière Fournier Barthélémy"
        " Lemaître Forêt Noël Crépeau Sévigné",
        "Nîmes Béziers Orléans Besançon Angoulême Évreux Saint-Étienne Mâcon Châteauroux Sète Lyon Épinal Montélimar"
        " Fréjus Périgueux Compiègne Alès Rue_de_l'Église Hyères",
    ),
    "Spain": _country(
        "latin", WESTERN,
        "José María Álvaro Íñigo Begoña Sofía Andrés Tomás Inés Nuria Rocío Jesús Ángela Óscar Raúl Belén Lucía Iván"
        " Concepción",
        "Muñoz García Núñez Fernández Ibáñez Peña Gómez Zúñiga Martínez López Sánchez Domínguez Ordóñez Cañizares"
        " Ruiz Márquez Yáñez Argüelles",
        "Málaga Cádiz Córdoba Logroño León Jaén Almería Mérida Ávila Castellón La_Coruña Gijón Avilés Sagüés Cáceres"
        " Marbella Alcalá_de_Henares Vilagarcía Peñíscola",
    ),
    "Brazil": _country(
        "latin", ("cp1252", "iso8859-1", "iso8859-15", "mac-roman", "cp850"),
        "João Conceição Antônio Luís Patrícia Márcia Cláudio Fábio Letícia Sebastião Inês Mônica Rogério Adrião"
        " Otávio Vitória",
        "Gonçalves Magalhães Araújo Simões Guimarães Assunção Falcão Conceição Leão Estêvão Brandão Galvão Sá Muniz"
        " Beltrão Vasconcelos Leitão",
        "São_Paulo Brasília Goiânia Maceió Belém Cuiabá Vitória Florianópolis Ribeirão_Preto São_Luís Niterói Maringá"
        " Uberlândia Guarujá Jaboatão Macapá Santarém",
    ),
    "Sweden": _country(
        "latin", (*WESTERN, "cp857"),
        "Åsa Björn Göran Håkan Märta Östen Pär Sören Jörgen Åke Kjell Ingrid Lars Ulla-Märit Gösta Märet Torbjörn"
        " Örjan",
        "Åkesson Björklund Sjögren Lindström Ström Öberg Häggström Källström Bergström Åström Nordström Sandström"
        " Hägglund Björk Östlund Wahlström Höglund",
        "Malmö Göteborg Örebro Västerås Linköping Umeå Växjö Luleå Östersund Borås Gävle Skellefteå Södertälje"
        " Jönköping Norrköping Helsingör Ängelholm Åre",
    ),
    "Norway": _country(
        "latin", ("cp1252", "iso8859-1", "iso8859-15", "mac-roman", "cp850"),
        "Bjørn Pål Øystein Håkon Søren Jørgen Åse Tone Kåre Gøril Pernille Mogens Torbjørn Ståle Bodil Rønnaug Sølvi"
        " Vidar",
        "Sørensen Jørgensen Møller Bjørnstad Nygård Østby Lærum Bråten Hæstad Skjærvø Grønli Rødland Strøm Bakke"
        " Ødegård Nygaard Hågensen Færevik",
        "Tromsø Bodø Ålesund Århus Ålborg København Tønsberg Drøbak Helsingør Lillestrøm Hamar Værløse Horsens Førde"
        " Rødovre Malvik Næstved Gjøvik",
    ),
    "Poland": _country(
        "latin", (*CENTRAL, *BALTIC),
        "Łukasz Małgorzata Zdzisław Bożena Michał Paweł Elżbieta Kazimierz Wojciech Grażyna Rafał Władysław"
        " Stanisława Jędrzej Róża Agnieszka Błażej Żaneta",
        "Dąbrowski Wiśniewska Kamiński Zieliński Jabłońska Grzęda Wójcik Kowalski Woźniak Kozłowski Krawczyk Piątek"
        " Mazurek Gołębiewski Wąsik Król Żółkiewski Święcicki",
        "Łódź Kraków Gdańsk Poznań Wrocław Częstochowa Białystok Rzeszów Toruń Zielona_Góra Świnoujście Kędzierzyn"
        " Chełm Sopot Ząbki Ełk Mińsk_Mazowiecki Śrem",
    ),
    "Czechia": _country(
        "latin", CENTRAL,
        "Jiří Tomáš Lukáš Kateřina Jaroslav Zdeněk Alžběta Ondřej František Růžena Matěj Šárka Petr Vojtěch Anežka"
        " Květa Radomír Čeněk",
        "Novák Dvořák Svoboda Procházka Kučera Veselý Horák Němec Pokorný Růžička Šťastný Černý Křížek Beneš Doležal"
        " Řezníček Hájková Součková",
        "Plzeň Ústí_nad_Labem České_Budějovice Hradec_Králové Třebíč Jihlava Děčín Karviná Zlín Přerov Kroměříž"
        " Česká_Třebová Žďár Olomouc Chomutov Vsetín Písek Příbram",
    ),
    "Hungary": _country(
        "latin", CENTRAL,
        "László György Zoltán István Erzsébet Zsófia Sándor Ágnes József Katalin Bálint Ildikó Győző Tünde Ákos Csaba"
        " Eszter Örs",
        "Kovács Szabó Tóth Nagy Horváth Kiss Németh Farkas Szűcs Lőrincz Balázs Fülöp Bíró Gyűrű Szőke Erdős Kőműves"
        " Mészáros",
        "Győr Pécs Szeged Székesfehérvár Kecskemét Szombathely Nyíregyháza Érd Sopron Hódmezővásárhely Kőszeg"
        " Dunaújváros Gyöngyös Mezőkövesd Siófok Eger Gödöllő Vác",
    ),
    "Romania": _country(
        "latin", CENTRAL,
        "Ştefan Ioana Mihăiţă Cătălin Răzvan Bogdan Ţugulea Mădălina Luminiţa Costică Traian Gheorghiţă Anişoara"
        " Dănuţ Vlăduţ Ilinca",
        "Popescu Ionescu Bălan Mureşan Ţepeş Vădim Stănescu Vlaşcu Mănescu Săvulescu Năstase Băsescu Rădulescu Ţăranu"
        " Creţu Brătianu Călinescu",
        "Bucureşti Iaşi Timişoara Braşov Constanţa Galaţi Ploieşti Târgu_Mureş Bistriţa Giurgiu Piteşti Oradea Bacău"
        " Reşiţa Călăraşi Făgăraş Cluj Sfântu_Gheorghe",
    ),
    "Croatia": _country(
        "latin", (*CENTRAL,),
        "Željko Šime Đurđica Anđela Božidar Mladen Dražen Živko Saša Goran Ljubiša Nataša Tomislav Nenad Đuro Hrvoje"
        " Snježana Čedomir",
        "Kovačević Petrović Horvat Babić Marić Jurić Šarić Vuković Đurić Perković Žanić Bošnjak Krizmanić Bašić"
        " Pavičić Klarić Čačić Lončar",
        "Šibenik Požega Čakovec Sisak Đakovo Varaždin Križevci Županja Poreč Biograd Niš Čačak Šabac Užice Kruševac"
        " Koprivnica Bjelovar Našice",
    ),
    "Turkey": _country(
        "latin", TURKISH,
        "Ayşe Gökhan Çağla İbrahim Özgür Şükrü Büşra Hüseyin Yiğit Ümit Mehmet Tuğba Işıl Barış Gülşen Doğan Nazlı"
        " Emre",
        "Yılmaz Öztürk Çelik Şahin Yıldız Kılıç Doğan Güneş Erdoğan Bulut Akbaş Türkoğlu Işık Kaya Gündoğdu Şimşek"
        " Çakır Avcı",
        "İstanbul Eskişehir Diyarbakır Şanlıurfa Muğla Çanakkale Kütahya Ağrı Iğdır Balıkesir Tekirdağ Muş Elazığ"
        " Bursa Nevşehir Beşiktaş Üsküdar Kadıköy",
    ),
    "Lithuania": _country(
        "latin", BALTIC,
        "Ąžuolas Šarūnas Živilė Eglė Jūratė Rūta Žydrūnas Ieva Kęstutis Darius Aušra Dovilė Šarūnė Ugnė Gintarė"
        " Viktorija Ričardas Nijolė",
        "Petrauskas Kazlauskienė Žukauskas Jankūnas Šimkus Balčiūnas Stankevičius Urbonaitė Paulauskaitė Vaičiūnas"
        " Rimkutė Žilinskas Mažeika Bražinskas Navickaitė Černiauskas",
        "Vilnius Šiauliai Panevėžys Klaipėda Marijampolė Mažeikiai Jonava Utena Kėdainiai Telšiai Plungė Rokiškis"
        " Biržai Kuršėnai Jurbarkas Druskininkai Širvintos Žiežmariai",
    ),
    "Latvia": _country(
        "latin", BALTIC,
        "Jānis Līga Kārlis Ilze Mārtiņš Andžejs Ināra Pēteris Zane Ēriks Raimonds Dzidra Gatis Kristīne Ņina Vilnis"
        " Ļubova Dāvis",
        "Bērziņš Kalniņa Ozoliņš Jansons Liepiņa Krūmiņš Balodis Zariņš Āboliņš Vītols Priede Šmits Grīnbergs"
        " Pētersons Ķirsis Vilciņš Zvirbulis Eglītis",
        "Rīga Jūrmala Liepāja Rēzekne Jēkabpils Ventspils Jelgava Cēsis Kuldīga Ķekava Mārupe Salaspils Ādaži Līvāni"
        " Saldus Ogre Valmiera Bauska",
    ),
    "Vietnam": _country(
        "vietnamese", ("cp1258",),
        "Hương Tuấn Thị_Mai Đức Quang Hùng Phương Thảo Ngọc Dũng Hạnh Trường Bích Thủy Khánh Vân Hằng Minh",
        "Nguyễn Trần Lê Phạm Huỳnh Hoàng Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Trịnh Đinh Tạ",
        "Hà_Nội Đà_Nẵng Hải_Phòng Cần_Thơ Huế Nha_Trang Đà_Lạt Vũng_Tàu Biên_Hòa Quy_Nhơn Buôn_Ma_Thuột Thái_Nguyên"
        " Mỹ_Tho Long_Xuyên Bắc_Ninh Hạ_Long Thanh_Hóa Rạch_Giá",
    ),
    "Russia": _country(
        "cyrillic", (*CYRILLIC, "koi8-u"),
        "Иван Ольга Сергей Наталья Дмитрий Екатерина Алексей Юлия Фёдор Людмила Андрей Пётр Ксения Владимир Жанна"
        " Щука Эдуард Зинаида",
        "Иванов Смирнова Кузнецов Попова Васильев Соколова Михайлов Новиков Морозова Волков Зайцева Щербаков Королёв"
        " Гусев Медведев Цветкова Белов Юдин",
        "Москва Санкт-Петербург Новосибирск Екатеринбург Казань Челябинск Омск Самара Уфа Пермь Воронеж Волгоград"
        " Краснодар Саратов Тюмень Ижевск Ярославль Хабаровск",
    ),
    "Ukraine": _country(
        "cyrillic", ("cp1251", "iso8859-5", "koi8-u", "mac-cyrillic"),
        "Олександр Наталія Андрій Ірина Сергій Оксана Євген Юлія Микола Тетяна Володимир Любов Ігор Валентина Дмитро"
        " Їжак Соломія Лесь",
        "Шевченко Коваленко Бондаренко Ткаченко Кравчук Олійник Шевчук Поліщук Лисенко Савченко Мельник Гриценко"
        " Зінченко Яценко Клименко Приходько Сидоренко Єременко",
        "Київ Харків Львів Дніпро Запоріжжя Вінниця Полтава Чернівці Житомир Рівне Івано-Франківськ Тернопіль Луцьк"
        " Ужгород Херсон Миколаїв Черкаси Суми",
    ),
    "Bulgaria": _country(
        "cyrillic", ("cp1251", "iso8859-5", "mac-cyrillic", "cp866", "koi8-r"),
        "Георги Мария Иван Елена Димитър Йорданка Христо Пенка Стефан Радка Красимир Живко Цветан Светла Ангел Людмил"
        " Бойко Здравка",
        "Иванов Георгиева Димитров Петрова Николов Христова Стоянов Тодорова Ангелов Желязкова Павлов Вълчева Кръстев"
        " Атанасова Йорданов Ценов Жечев Бъчваров",
        "София Пловдив Варна Бургас Русе Плевен Сливен Добрич Шумен Перник Хасково Ямбол Пазарджик Благоевград Враца"
        " Габрово Кърджали Търговище",
    ),
    "Greece": _country(
        "greek", GREEK,
        "Γιώργος Μαρία Δημήτρης Ελένη Κώστας Κατερίνα Νίκος Βασιλική Παναγιώτης Σοφία Χρήστος Αγγελική Αντώνης"
        " Ευαγγελία Θανάσης Όλγα Φώτης Ζωή",
        "Παπαδόπουλος Βλάχου Αγγελόπουλος Νικολάου Γεωργίου Οικονόμου Δημητρίου Καραγιάννης Μακρής Λάμπρου Παππάς"
        " Ιωάννου Κωνσταντίνου Χατζής Ρήγας Σταματίου Ξένος Ψαρράς",
        "Αθήνα Θεσσαλονίκη Πάτρα Ηράκλειο Λάρισα Βόλος Ιωάννινα Χανιά Ρόδος Καλαμάτα Καβάλα Σέρρες Τρίκαλα Λαμία"
        " Κέρκυρα Κομοτηνή Ξάνθη Δράμα",
    ),
    "Israel": _country(
        "hebrew", ("cp1255",),
        "יוסף מרים דוד שרה משה רחל אברהם לאה יעקב חנה נועם תמר איתן שירה אורי מיכל גיל ענת",
        "כהן לוי מזרחי פרץ ביטון דהן אברהם פרידמן אזולאי מלכה כץ שפירא רוזנברג חדד גולדשטיין סויסה עמר צור",
        "ירושלים תל_אביב חיפה ראשון_לציון אשדוד נתניה באר_שבע חולון רמת_גן אשקלון רחובות הרצליה כפר_סבא נצרת אילת"
        " טבריה עכו צפת",
    ),
    "Egypt": _country(
        "arabic", ("cp1256",),
        "محمد فاطمة أحمد عائشة علي زينب خالد مريم يوسف سعاد عمر هدى حسن نورا إبراهيم ليلى طارق رانيا",
        "حسين السيد عبدالله المصري الحداد النجار منصور سليمان الشريف خليل صالح العطار رمضان القاضي الخطيب يعقوب غانم"
        " درويش",
        "القاهرة الإسكندرية الجيزة الأقصر أسوان المنصورة طنطا الفيوم دمشق بغداد الرياض جدة بيروت تونس الدوحة مسقط"
        " صنعاء عمان",
    ),
    "Japan": _country(
        "japanese", JAPANESE,
        "太郎 花子 健一 美咲 翔太 陽子 大輔 さくら 直樹 由美子 拓也 恵子 誠 真由美 ひろし 千尋 和夫 アキラ",
        "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 佐々木 松本 井上 木村 清水 斎藤",
        "東京都 大阪市 名古屋市 札幌市 福岡市 横浜市 京都府 神戸市 仙台市 広島県 さいたま市 千葉県 新潟市 静岡県"
        " 長崎市 金沢市 つくば市 那覇市",
        last_first=True,
    ),
    "China": _country(
        "chinese", ("gb18030",),
        "伟 芳 秀英 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 建国 志强 晓红 雪梅",
        "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗",
        "北京市 上海市 广州市 深圳市 成都市 杭州市 武汉市 西安市 南京市 重庆市 天津市 苏州市 长沙市 郑州市 青岛市"
        " 沈阳市 哈尔滨市 昆明市",
        last_first=True,
    ),
    "Taiwan": _country(
        "chinese", ("big5",),
        "志明 淑芬 俊傑 美玲 怡君 雅婷 家豪 宗翰 淑惠 建宏 雅雯 冠宇 麗華 文雄 詩涵 承翰 秀美 國強",
        "陳 林 黃 張 李 王 吳 劉 蔡 楊 許 鄭 謝 洪 郭 邱 曾 廖 賴 蘇",
        "臺北市 新北市 桃園市 臺中市 臺南市 高雄市 基隆市 新竹市 嘉義市 彰化縣 屏東縣 宜蘭縣 花蓮縣 臺東縣 澎湖縣"
        " 雲林縣 南投縣 苗栗縣",
        last_first=True,
    ),
    "Korea": _country(
        "korean", ("euc_kr", "cp949"),
        "민수 영희 지훈 수진 현우 미영 성호 은주 동현 지영 준호 혜진 상철 유진 재석 경숙 태형 보라",
        "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송",
        "서울특별시 부산광역시 대구시 인천시 광주시 대전시 울산시 수원시 전주시 청주시 포항시 제주시 창원시 성남시"
        " 강릉시 춘천시 여수시 경주시",
        last_first=True,
    ),
}  # fmt: skip
"""Towns may be of another country where the language is the same: it is letters that count."""
